import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import { normal } from '../random/index.ts';
import type { Initialiser } from '../random/index.ts';
import { checkGlobalConvolution, GLOBAL_CONVOLUTION_DEFAULTS, GlobalConvolution, globalConvolutionParameters } from './global-convolution.ts';
import type { GlobalConvolutionConfig } from './global-convolution.ts';
import { assignParameters, createParameters, freeze, setValues } from './parameters.ts';
import type { ParameterSpecs, Parameters, WeightSource } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import { completeConfig } from './streaming-layer.ts';

export interface SgConvConfig extends GlobalConvolutionConfig {
  /** Learned values of each scale. Default 32. */
  readonly kernelDim: number;
  /** Scales side by side, or from the start and summed. Default 'cat'. */
  readonly combine: 'cat' | 'sum';
  /** How a scale is stretched. Default 'linear'. */
  readonly interpolation: 'linear' | 'nearest';
  /** Weight of a scale against the next longer one, from the first to the last channel; with `learnableDecay` bounds of the first exponents. Default 2 and 2. */
  readonly decayMin: number;
  readonly decayMax: number;
  /** Instead, taps fall as (t + 1)^-decay with a learned exponent a channel. Default false. */
  readonly learnableDecay: boolean;
}

const DEFAULTS = { ...GLOBAL_CONVOLUTION_DEFAULTS, kernelDim: 32, combine: 'cat', interpolation: 'linear', decayMin: 2, decayMax: 2, learnableDecay: false } as const;

export function sgConvConfig(given: { dModel: number } & Partial<SgConvConfig>): SgConvConfig {
  const config = completeConfig<SgConvConfig>('SGConv', given, DEFAULTS, ['maximumLength', 'channels', 'kernelDim']);
  checkGlobalConvolution('SGConv', config);
  if (config.combine !== 'cat' && config.combine !== 'sum') throw new ConfigError(`SGConv: combine is ${JSON.stringify(config.combine)}, expected 'cat' or 'sum'.`);
  if (config.interpolation !== 'linear' && config.interpolation !== 'nearest') throw new ConfigError(`SGConv: interpolation is ${JSON.stringify(config.interpolation)}, expected 'linear' or 'nearest'.`);
  if (!(config.decayMin > 0 && config.decayMin <= config.decayMax)) throw new ConfigError(`SGConv: decayMin is ${config.decayMin} and decayMax ${config.decayMax}, expected 0 < decayMin <= decayMax.`);
  return config;
}

/** s = 1 + ceil(log2(L / d)) scales cover the maximum length, at least one. */
export const sgConvScales = ({ maximumLength, kernelDim }: SgConvConfig): number => Math.max(1, 1 + Math.ceil(Math.log2(maximumLength / kernelDim)));

export function sgConvParameters(config: SgConvConfig): ParameterSpecs {
  const rows = config.channels * (config.bidirectional ? 2 : 1);
  const between: Initialiser = ([count], random) => random.uniform(count!, { low: config.decayMin, high: config.decayMax });
  return {
    ...globalConvolutionParameters(config),
    ...(config.learnableDecay ? { decay: { shape: [config.dModel], initialise: between } } : {}),
    ...Object.fromEntries(Array.from({ length: sgConvScales(config) }, (_, i) => [`kernel_list.${i}`, { shape: [rows, config.dModel, config.kernelDim], initialise: normal(1) }])),
    // Set from the first taps below; 1 until then.
    kernel_norm: { shape: [rows, config.dModel, 1], initialise: ([a, b]) => new Float32Array(a! * b!).fill(1) },
  };
}

/** Matrix [d, taps] that stretches d values by `factor` from position `start` on, as a linear interpolation without aligned corners does, or by repetition. */
function stretch(size: number, factor: number, start: number, taps: number, interpolation: 'linear' | 'nearest'): Float32Array {
  const matrix = new Float32Array(size * taps);
  for (let t = 0; t < size * factor && start + t < taps; t++) {
    const place = interpolation === 'nearest' ? Math.floor(t / factor) : Math.max(0, (t + 0.5) / factor - 0.5);
    const low = Math.floor(place), high = Math.min(low + 1, size - 1), part = place - low;
    matrix[low * taps + start + t]! += 1 - part;
    matrix[high * taps + start + t]! += part;
  }
  return matrix;
}

/**
 * Structured global convolution: K = (1 / Z) join over scales i of alpha^(s - 1 - i) stretch(w_i), few learned values for each power of two of time;
 * y = mixing(gelu(K * x + D x)).
 *
 * @remarks Z is the norm of the first taps, taken when the layer is created over its full maximum length; the official code takes it at the first call, over that call's
 * length. It travels with the weights as `kernel_norm` and is not trained.
 * @see Li et al. 2022, arXiv 2210.09298. Official: ctlllll/SGConv, gconv_standalone.py, GConv.
 */
export class SgConv extends GlobalConvolution<SgConvConfig> {
  static readonly kind = 'sgconv';
  readonly kind = SgConv.kind;
  readonly #stretching: Float32Array;

  constructor(config: { dModel: number } & Partial<SgConvConfig>, parameters: Parameters) {
    super(sgConvConfig(config), parameters);
    freeze(parameters, 'kernel_norm');
    const { kernelDim, combine, interpolation, maximumLength } = this.config;
    const scales = sgConvScales(this.config);
    const parts = Array.from({ length: scales }, (_, i) => {
      const factor = combine === 'cat' ? 2 ** Math.max(0, i - 1) : 2 ** i;
      return stretch(kernelDim, factor, combine === 'cat' && i > 0 ? kernelDim * 2 ** (i - 1) : 0, maximumLength, interpolation);
    });
    this.#stretching = Float32Array.from({ length: scales * kernelDim * maximumLength }, (_, i) => parts[Math.floor(i / (kernelDim * maximumLength))]![i % (kernelDim * maximumLength)]!);
  }

  static create(config: { dModel: number } & Partial<SgConvConfig>, options: SeedOptions = {}): SgConv {
    const complete = sgConvConfig(config);
    const layer = new SgConv(complete, createParameters(sgConvParameters(complete), seededRandom(options)));
    layer.normalise();
    return layer;
  }

  /** @param weights - By official names: `D`, `kernel_list.0`, ..., `kernel_norm`, and `decay` where it is learned. */
  static fromOfficial(weights: WeightSource, config: { dModel: number } & Partial<SgConvConfig>): SgConv {
    const layer = SgConv.create(config);
    try {
      assignParameters(layer.parameters, weights, { what: 'SgConv.fromOfficial' });
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  /** Sets Z to the norm of the taps as they are, so that each kernel has norm 1. */
  normalise(): void {
    const norms = tf.tidy(() => tf.mul(tf.norm(this.kernel(), 2, -1, true), this.parameters['kernel_norm']!));
    setValues(this.parameters['kernel_norm']!, norms.dataSync() as Float32Array);
    norms.dispose();
  }

  kernel(): Tensor {
    const { dModel, kernelDim, maximumLength, decayMin, decayMax, learnableDecay } = this.config;
    const scales = sgConvScales(this.config);
    return tf.tidy(() => {
      const multiplier = (power: number): Tensor => tf.tensor(
        Float32Array.from({ length: dModel }, (_, h) => (learnableDecay ? 1 : decayMin + (decayMax - decayMin) * (dModel > 1 ? h / (dModel - 1) : 0)) ** power), [1, dModel, 1],
      );
      const pieces = Array.from({ length: scales }, (_, i) => tf.mul(this.parameters[`kernel_list.${i}`]!, multiplier(scales - i - 1)));
      const values = tf.concat(pieces, -1); // [rows, H, scales * d]
      const rows = values.shape[0]!;
      const joined = tf.matMul(tf.reshape(values, [rows * dModel, scales * kernelDim]), tf.tensor(this.#stretching, [scales * kernelDim, maximumLength]));
      const taps = tf.div(tf.reshape(joined, [rows, dModel, maximumLength]), this.parameters['kernel_norm']!);
      if (!learnableDecay) return taps;
      const logarithms = tf.tensor(Float32Array.from({ length: maximumLength }, (_, t) => Math.log(t + 1)), [1, 1, maximumLength]);
      return tf.mul(taps, tf.exp(tf.neg(tf.mul(tf.reshape(this.parameters['decay']!, [1, dModel, 1]), logarithms))));
    });
  }
}
