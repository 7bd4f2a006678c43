import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { causalConv1d, gatedLinearAttention, rmsNorm } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { constant, fanInUniform, glorotUniform } from '../random/index.ts';
import { affine } from './affine.ts';
import { createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { checkWhole, completeConfig, headWidth, joinHeads, splitHeads, StreamingLayer } from './streaming-layer.ts';

export interface DeltaNetConfig {
  readonly dModel: number;
  readonly numHeads: number;
  /** Widths of keys and values, as parts of dModel. Default 1 and 1. */
  readonly expandK: number;
  readonly expandV: number;
  /** Width of the short convolutions of q, k and v, in steps. Default 4. */
  readonly convSize: number;
  /** beta up to 2 in place of 1: a step may turn what it replaces around. Default false. */
  readonly allowNegEigval: boolean;
  readonly normEps: number;
}

const DEFAULTS: Omit<DeltaNetConfig, 'dModel'> = { numHeads: 4, expandK: 1, expandV: 1, convSize: 4, allowNegEigval: false, normEps: 1e-5 };

export function deltaNetConfig(given: { dModel: number } & Partial<DeltaNetConfig>): DeltaNetConfig {
  const config = completeConfig<DeltaNetConfig>('DeltaNet', given, DEFAULTS);
  checkWhole('DeltaNet', { numHeads: config.numHeads, convSize: config.convSize });
  deltaSizes('DeltaNet', config.dModel * config.expandK, config.dModel * config.expandV, config.numHeads);
  return config;
}

/** Widths of all keys, all values, one key, one value. */
export function deltaSizes(name: string, keys: number, values: number, heads: number): { keys: number; values: number; key: number; value: number } {
  return { keys, values, key: headWidth(name, 'the width of the keys', keys, heads), value: headWidth(name, 'the width of the values', values, heads) };
}

/** Projections and short convolutions of q, k and v, as every delta rule layer of flash-linear-attention has them. */
export function shortConvolutionParameters(dModel: number, keys: number, values: number, convSize: number): ParameterSpecs {
  const initialise = glorotUniform(2 ** -2.5);
  const widths = { q: keys, k: keys, v: values };
  return Object.fromEntries(Object.entries(widths).flatMap(([name, width]) => [
    [`${name}_proj.weight`, { shape: [width, dModel], initialise }], [`${name}_conv1d.weight`, { shape: [width, 1, convSize], initialise: fanInUniform(convSize) }],
  ]));
}

/** q, k and v after one convolution with SiLU over all their channels, heads split, and its tail. */
export function shortConvolutions(
  x: Tensor, weights: Parameters, { keys, values }: { keys: number; values: number }, heads: number, tail: Tensor | undefined, sequence: SequenceOptions,
): { q: Tensor; k: Tensor; v: Tensor; tail: Tensor } {
  const joined = tf.concat(['q', 'k', 'v'].map((name) => affine(x, weights[`${name}_proj.weight`]!)), -1);
  const taps = tf.concat(['q', 'k', 'v'].map((name) => tf.squeeze(weights[`${name}_conv1d.weight`]!, [1])), 0);
  const { output, state } = causalConv1d(joined, taps, { ...sequence, activation: 'silu', state: tail });
  const [q, k, v] = tf.split(output, [keys, keys, values], -1) as [Tensor, Tensor, Tensor];
  return { q: splitHeads(q, heads), k: splitHeads(k, heads), v: splitHeads(v, heads), tail: state };
}

export function deltaNetParameters({ dModel, numHeads, expandK, expandV, convSize }: DeltaNetConfig): ParameterSpecs {
  const { keys, values, value } = deltaSizes('DeltaNet', dModel * expandK, dModel * expandV, numHeads);
  const initialise = glorotUniform(2 ** -2.5);
  return {
    ...shortConvolutionParameters(dModel, keys, values, convSize),
    'b_proj.weight': { shape: [numHeads, dModel], initialise }, 'o_norm.weight': { shape: [value], initialise: constant(1) },
    'o_proj.weight': { shape: [dModel, values], initialise },
  };
}

/** `convolution` [B, W - 1, 2 keys + values]: the last inputs of the convolutions, oldest first; `matrix` [B, H, K, V]. */
export type DeltaNetState = { readonly convolution: Tensor; readonly matrix: Tensor };

/**
 * DeltaNet: S[t] = S[t-1] + k[t]^T beta[t] (v[t] - k[t] S[t-1]);  y[t] = W_o norm(q[t] S[t]), beta = sigmoid(W_b x), q and k of unit length, q, k and v through short
 * convolutions with SiLU.
 *
 * @see Yang et al. 2024, arXiv 2406.06484; Schlag et al. 2021, arXiv 2102.11174. Official: fla-org/flash-linear-attention, fla/layers/delta_net.py, `DeltaNet`.
 * @example
 * const layer = DeltaNet.create({ dModel: 64, numHeads: 4 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64]
 */
export class DeltaNet extends StreamingLayer<DeltaNetState, DeltaNetConfig> {
  static readonly kind = 'delta-net';
  readonly kind = DeltaNet.kind;

  constructor(config: { dModel: number } & Partial<DeltaNetConfig>, parameters: Parameters) {
    super(deltaNetConfig(config), parameters);
  }

  static create(config: { dModel: number } & Partial<DeltaNetConfig>, options: SeedOptions = {}): DeltaNet {
    const complete = deltaNetConfig(config);
    return new DeltaNet(complete, createParameters(deltaNetParameters(complete), seededRandom(options)));
  }

  stateSpec(batch: number): StateSpec {
    const { keys, values, key, value } = this.#sizes();
    return { convolution: [batch, this.config.convSize - 1, 2 * keys + values], matrix: [batch, this.config.numHeads, key, value] };
  }

  protected forward(x: Tensor, state: DeltaNetState | undefined, sequence: SequenceOptions): SequenceResult<DeltaNetState> {
    const { numHeads, allowNegEigval, normEps } = this.config;
    const weights = this.parameters;
    const { q, k, v, tail } = shortConvolutions(x, weights, this.#sizes(), numHeads, state?.convolution, sequence);
    const beta = tf.mul(tf.sigmoid(affine(x, weights['b_proj.weight']!)), allowNegEigval ? 2 : 1);
    const attended = gatedLinearAttention(q, k, v, { ...sequence, beta, queryKeyNorm: 'l2', ...(state && { state: { matrix: state.matrix } }) });
    const normed = rmsNorm(attended.output, weights['o_norm.weight']!, { epsilon: normEps });
    return { output: affine(joinHeads(normed), weights['o_proj.weight']!), state: { convolution: tail, matrix: attended.state.matrix } };
  }

  #sizes(): ReturnType<typeof deltaSizes> {
    const { dModel, expandK, expandV, numHeads } = this.config;
    return deltaSizes('DeltaNet', dModel * expandK, dModel * expandV, numHeads);
  }
}
