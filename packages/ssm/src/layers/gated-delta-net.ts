import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { gatedLinearAttention, rmsNorm } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { constant, glorotUniform } from '../random/index.ts';
import { affine } from './affine.ts';
import { deltaSizes, shortConvolutionParameters, shortConvolutions } from './delta-net.ts';
import type { DeltaNetState } from './delta-net.ts';
import { inverseSoftplusOfLogUniform } from './mamba-parameters.ts';
import { createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { checkWhole, completeConfig, joinHeads, splitHeads, StreamingLayer } from './streaming-layer.ts';

export interface GatedDeltaNetConfig {
  readonly dModel: number;
  readonly numHeads: number;
  /** Width of a key. Default 256. */
  readonly headDim: number;
  /** Width of a value, as a multiple of headDim. Default 2. */
  readonly expandV: number;
  readonly convSize: number;
  /** beta up to 2 in place of 1. Default false. */
  readonly allowNegEigval: boolean;
  readonly normEps: number;
}

const DEFAULTS: Omit<GatedDeltaNetConfig, 'dModel'> = { numHeads: 6, headDim: 256, expandV: 2, convSize: 4, allowNegEigval: false, normEps: 1e-5 };

export function gatedDeltaNetConfig(given: { dModel: number } & Partial<GatedDeltaNetConfig>): GatedDeltaNetConfig {
  const config = completeConfig<GatedDeltaNetConfig>('GatedDeltaNet', given, DEFAULTS);
  checkWhole('GatedDeltaNet', { numHeads: config.numHeads, headDim: config.headDim, convSize: config.convSize });
  sizes(config);
  return config;
}

const sizes = ({ numHeads, headDim, expandV }: GatedDeltaNetConfig): ReturnType<typeof deltaSizes> =>
  deltaSizes('GatedDeltaNet', numHeads * headDim, numHeads * headDim * expandV, numHeads);

/** Names of flash-linear-attention; A uniform in [0, 16), dt log-uniform in [.001, .1], as in Mamba-2. */
export function gatedDeltaNetParameters(config: GatedDeltaNetConfig): ParameterSpecs {
  const { dModel, numHeads, convSize } = config;
  const { keys, values, value } = sizes(config);
  const initialise = glorotUniform(2 ** -2.5);
  return {
    ...shortConvolutionParameters(dModel, keys, values, convSize),
    'a_proj.weight': { shape: [numHeads, dModel], initialise }, 'b_proj.weight': { shape: [numHeads, dModel], initialise },
    A_log: { shape: [numHeads], initialise: ([count], random) => random.uniform(count!, { low: 1e-4, high: 16 }).map(Math.log) },
    dt_bias: { shape: [numHeads], initialise: inverseSoftplusOfLogUniform(0.001, 0.1, 1e-4) },
    'g_proj.weight': { shape: [values, dModel], initialise }, 'o_norm.weight': { shape: [value], initialise: constant(1) },
    'o_proj.weight': { shape: [dModel, values], initialise },
  };
}

/**
 * Gated DeltaNet: S[t] = alpha[t] S[t-1] + k[t]^T beta[t] (v[t] - alpha[t] k[t] S[t-1]);  y[t] = W_o (norm(q[t] S[t]) * silu(W_g x)), log alpha = -A softplus(W_a x + dt_bias),
 * beta = sigmoid(W_b x), q and k of unit length, q, k and v through short convolutions with SiLU.
 *
 * @see Yang et al. 2024, arXiv 2412.06464. Official: fla-org/flash-linear-attention, fla/layers/gated_deltanet.py, `GatedDeltaNet`.
 * @example
 * const layer = GatedDeltaNet.create({ dModel: 64, numHeads: 2, headDim: 24 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64]
 */
export class GatedDeltaNet extends StreamingLayer<DeltaNetState, GatedDeltaNetConfig> {
  static readonly kind = 'gated-delta-net';
  readonly kind = GatedDeltaNet.kind;

  constructor(config: { dModel: number } & Partial<GatedDeltaNetConfig>, parameters: Parameters) {
    super(gatedDeltaNetConfig(config), parameters);
  }

  static create(config: { dModel: number } & Partial<GatedDeltaNetConfig>, options: SeedOptions = {}): GatedDeltaNet {
    const complete = gatedDeltaNetConfig(config);
    return new GatedDeltaNet(complete, createParameters(gatedDeltaNetParameters(complete), seededRandom(options)));
  }

  stateSpec(batch: number): StateSpec {
    const { keys, values, key, value } = sizes(this.config);
    return { convolution: [batch, this.config.convSize - 1, 2 * keys + values], matrix: [batch, this.config.numHeads, key, value] };
  }

  protected forward(x: Tensor, state: DeltaNetState | undefined, sequence: SequenceOptions): SequenceResult<DeltaNetState> {
    const { numHeads, allowNegEigval, normEps } = this.config;
    const weights = this.parameters;
    const { q, k, v, tail } = shortConvolutions(x, weights, sizes(this.config), numHeads, state?.convolution, sequence);
    const decay = tf.neg(tf.mul(tf.exp(weights['A_log']!), tf.softplus(affine(x, weights['a_proj.weight']!, weights['dt_bias']))));
    const beta = tf.mul(tf.sigmoid(affine(x, weights['b_proj.weight']!)), allowNegEigval ? 2 : 1);
    const attended = gatedLinearAttention(q, k, v, { ...sequence, beta, decay, queryKeyNorm: 'l2', ...(state && { state: { matrix: state.matrix } }) });
    const normed = rmsNorm(attended.output, weights['o_norm.weight']!, { epsilon: normEps, z: splitHeads(affine(x, weights['g_proj.weight']!), numHeads) });
    return { output: affine(joinHeads(normed), weights['o_proj.weight']!), state: { convolution: tail, matrix: attended.state.matrix } };
  }
}
