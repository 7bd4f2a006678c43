import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import type { Initialiser } from '../random/index.ts';
import { checkGlobalConvolution, GLOBAL_CONVOLUTION_DEFAULTS, GlobalConvolution, globalConvolutionParameters } from './global-convolution.ts';
import type { GlobalConvolutionConfig } from './global-convolution.ts';
import { assignParameters, createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters, WeightSource } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import { completeConfig } from './streaming-layer.ts';

export interface LongConvConfig extends GlobalConvolutionConfig {
  /** Taps smaller than this become 0, others move towards 0 by it. Default .1, which suits taps learned for a while; the published first ones are below it at 'random'. */
  readonly lambda: number;
  /** Steps over which neighbouring taps are averaged first, odd; 1 = none. Default 1. */
  readonly smoothing: number;
  /** First taps: normal of deviation .002, or normal under an exponential whose rate grows with the channel. Default 'double-exponential'. */
  readonly init: 'random' | 'double-exponential';
}

const DEFAULTS = { ...GLOBAL_CONVOLUTION_DEFAULTS, lambda: 0.1, smoothing: 1, init: 'double-exponential' } as const;

export function longConvConfig(given: { dModel: number } & Partial<LongConvConfig>): LongConvConfig {
  const config = completeConfig<LongConvConfig>('LongConv', given, DEFAULTS, ['maximumLength', 'channels', 'smoothing']);
  checkGlobalConvolution('LongConv', config);
  if (config.smoothing % 2 === 0) throw new ConfigError(`LongConv: smoothing is ${config.smoothing}, expected an odd number of steps, so that a tap stays in the middle.`);
  if (!(config.lambda >= 0)) throw new ConfigError(`LongConv: lambda is ${config.lambda}, expected a number of at least 0.`);
  if (config.init !== 'random' && config.init !== 'double-exponential') throw new ConfigError(`LongConv: init is ${JSON.stringify(config.init)}, expected 'random' or 'double-exponential'.`);
  return config;
}

export function longConvParameters(config: LongConvConfig): ParameterSpecs {
  const directions = config.bidirectional ? 2 : 1;
  const taps: Initialiser = ([rows, channels, length], random) => {
    const values = random.normal(rows! * channels! * length!, { deviation: config.init === 'random' ? 0.002 : 1 });
    if (config.init === 'random') return values;
    return values.map((value, i) => value * Math.exp(-((i % length!) / length!) * Math.floor(channels! / 2) ** ((Math.floor(i / length!) % channels!) / channels!)));
  };
  return {
    ...globalConvolutionParameters(config),
    'kernel.kernel': { shape: [directions * config.channels, config.dModel, config.maximumLength], initialise: taps },
  };
}

/**
 * Long convolution with taps that are learned one by one, squashed: K = sign(k) max(|k| - lambda, 0);  y = mixing(gelu(K * x + D x)).
 *
 * @remarks Causal with as many taps as the declared maximum length. The standalone file of the official repository has twice as many under a transform of the same
 * size, which wraps around and makes it see the future; this follows its LongConv and LongConvKernel. Kernel dropout is left out.
 * @see Fu et al. 2023, arXiv 2302.06646. Official: HazyResearch/safari, src/models/sequence/long_conv.py and long_conv_kernel.py.
 */
export class LongConv extends GlobalConvolution<LongConvConfig> {
  static readonly kind = 'long-conv';
  readonly kind = LongConv.kind;

  constructor(config: { dModel: number } & Partial<LongConvConfig>, parameters: Parameters) {
    super(longConvConfig(config), parameters);
  }

  static create(config: { dModel: number } & Partial<LongConvConfig>, options: SeedOptions = {}): LongConv {
    const complete = longConvConfig(config);
    return new LongConv(complete, createParameters(longConvParameters(complete), seededRandom(options)));
  }

  /** @param weights - By official names: `D`, `kernel.kernel`, `output_linear.0.weight`, `output_linear.0.bias`. */
  static fromOfficial(weights: WeightSource, config: { dModel: number } & Partial<LongConvConfig>): LongConv {
    const layer = LongConv.create(config);
    try {
      assignParameters(layer.parameters, weights, { what: 'LongConv.fromOfficial' });
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  kernel(): Tensor {
    const { lambda, smoothing } = this.config;
    return tf.tidy(() => {
      const taps = this.parameters['kernel.kernel']!;
      const length = taps.shape[2]!;
      const side = (smoothing - 1) / 2;
      const padded = tf.pad(taps, [[0, 0], [0, 0], [side, side]]);
      const smooth = smoothing === 1 ? taps : tf.div(tf.addN(Array.from({ length: smoothing }, (_, i) => tf.slice(padded, [0, 0, i], [-1, -1, length]))), smoothing);
      return tf.mul(tf.sign(smooth), tf.relu(tf.sub(tf.abs(smooth), lambda)));
    });
  }
}
