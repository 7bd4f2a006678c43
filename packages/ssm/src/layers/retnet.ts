import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { gatedLinearAttention, rmsNorm } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { ConfigError } from '../errors/index.ts';
import { glorotUniform } from '../random/index.ts';
import { silu } from './activations.ts';
import { affine } from './affine.ts';
import { countedPositions } from './counted-positions.ts';
import { camelKeys } from './mamba-config.ts';
import { assignParameters, createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters, WeightSource } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { checkWhole, completeConfig, headWidth, joinHeads, splitHeads, StreamingLayer } from './streaming-layer.ts';

export interface RetNetConfig {
  readonly dModel: number;
  /** Width of the values, `value_dim`; 0 stands for dModel. Default 0. */
  readonly valueDim: number;
  readonly numHeads: number;
  /** Of the norm of each head's output. Default 1e-6. */
  readonly layernormEps: number;
}

const DEFAULTS: Omit<RetNetConfig, 'dModel'> = { valueDim: 0, numHeads: 4, layernormEps: 1e-6 };

export function retnetConfig(given: { dModel: number } & Partial<RetNetConfig>): RetNetConfig {
  const config = completeConfig<RetNetConfig>('RetNet', given, DEFAULTS);
  checkWhole('RetNet', { numHeads: config.numHeads });
  const complete = { ...config, valueDim: config.valueDim || config.dModel };
  headWidth('RetNet', 'valueDim', complete.valueDim, config.numHeads);
  if (headWidth('RetNet', 'dModel', config.dModel, config.numHeads) % 2 !== 0) {
    throw new ConfigError(`RetNet: dModel is ${config.dModel} and numHeads ${config.numHeads}, expected an even number of channels a head. Its channels are rotated in pairs.`);
  }
  return complete;
}

/** Names and first values of torchscale: Glorot times 2^-2.5, the output times 1/2. */
export function retnetParameters({ dModel, valueDim }: RetNetConfig): ParameterSpecs {
  const initialise = glorotUniform(2 ** -2.5);
  return {
    'q_proj.weight': { shape: [dModel, dModel], initialise }, 'k_proj.weight': { shape: [dModel, dModel], initialise },
    'v_proj.weight': { shape: [valueDim, dModel], initialise }, 'g_proj.weight': { shape: [valueDim, dModel], initialise },
    'out_proj.weight': { shape: [dModel, valueDim], initialise: glorotUniform(0.5) },
  };
}

/** `matrix` [B, H, K, V]; `position` [B] int32, the number of steps so far, by which keys and queries are rotated. */
export type RetNetState = { readonly matrix: Tensor; readonly position: Tensor };

/**
 * Multi-scale retention: S[t] = gamma S[t-1] + k[t]^T v[t];  y[t] = W_o (silu(W_g x) * norm(q[t] S[t] / sqrt(sum of gamma^i, i <= t))), a gamma for each head,
 * q and k rotated by their position.
 *
 * @remarks gamma = 1 - 2^(-5 - head). Equal to the official recurrent form; its parallel and chunked forms scale the rows differently before a norm of each head
 * takes the scale away, up to its epsilon. Positions are exact up to 2^31, their rotations are computed in double precision.
 * @see Sun et al. 2023, arXiv 2307.08621. Official: microsoft/torchscale, torchscale/component/multiscale_retention.py, `MultiScaleRetention`.
 * @example
 * const layer = RetNet.create({ dModel: 64, numHeads: 4 }, { seed: 1 });
 * const { output, state } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64]
 */
export class RetNet extends StreamingLayer<RetNetState, RetNetConfig> {
  static readonly kind = 'retnet';
  readonly kind = RetNet.kind;

  constructor(config: { dModel: number } & Partial<RetNetConfig>, parameters: Parameters) {
    super(retnetConfig(config), parameters);
  }

  static create(config: { dModel: number } & Partial<RetNetConfig>, options: SeedOptions = {}): RetNet {
    const complete = retnetConfig(config);
    return new RetNet(complete, createParameters(retnetParameters(complete), seededRandom(options)));
  }

  /** @param weights - `q_proj.weight`, ... @param config - Official keys: `embed_dim`, `value_dim`, `num_heads`, `layernorm_eps`. */
  static fromOfficial(weights: WeightSource, config: { readonly [key: string]: unknown }): RetNet {
    const { embedDim, valueDim, numHeads, layernormEps } = camelKeys(config) as { embedDim: number; valueDim?: number; numHeads?: number; layernormEps?: number };
    const layer = RetNet.create({ dModel: embedDim, ...(valueDim && { valueDim }), ...(numHeads && { numHeads }), ...(layernormEps !== undefined && { layernormEps }) });
    assignParameters(layer.parameters, weights, { what: 'RetNet.fromOfficial' });
    return layer;
  }

  stateSpec(batch: number): StateSpec {
    const { dModel, valueDim, numHeads } = this.config;
    return { matrix: [batch, numHeads, dModel / numHeads, valueDim / numHeads], position: { shape: [batch], dtype: 'int32' } };
  }

  protected forward(x: Tensor, state: RetNetState | undefined, sequence: SequenceOptions): SequenceResult<RetNetState> {
    const [batch, length] = x.shape as [number, number, number];
    const { numHeads, layernormEps, dModel } = this.config;
    const weights = this.parameters;
    const { positions, next } = countedPositions('retnet', batch, length, sequence, state?.position.dataSync());
    const rotation = rotations(positions, [batch, length, 1, dModel / numHeads / 2]);
    const project = (name: string): Tensor => splitHeads(affine(x, weights[`${name}.weight`]!), numHeads);
    const logs = headDecays(numHeads);
    const { output, state: { matrix } } = gatedLinearAttention(rotate(project('q_proj'), rotation), rotate(project('k_proj'), rotation), project('v_proj'), {
      ...sequence, decay: tf.tensor1d(logs), scale: (dModel / numHeads) ** -0.5, ...(state && { state: { matrix: state.matrix } }),
    });
    const scaled = tf.mul(output, rowScales(positions, logs, batch, length));
    const normed = joinHeads(rmsNorm(scaled, null, { epsilon: layernormEps }));
    const gated = tf.mul(normed, silu(affine(x, weights['g_proj.weight']!)));
    return { output: affine(gated, weights['out_proj.weight']!), state: { matrix, position: tf.tensor1d(next, 'int32') } };
  }
}

/** log(1 - 2^(-5 - head)). */
function headDecays(heads: number): Float32Array {
  return Float32Array.from({ length: heads }, (_, head) => Math.log1p(-(2 ** (-5 - head))));
}

/** 1 / sqrt(1 + gamma + ... + gamma^position), [B, L, H, 1]. */
function rowScales(positions: Int32Array, logs: Float32Array, batch: number, length: number): Tensor {
  const values = new Float32Array(positions.length * logs.length);
  positions.forEach((position, row) => logs.forEach((log, head) => {
    values[row * logs.length + head] = 1 / Math.sqrt(Math.expm1((position + 1) * log) / Math.expm1(log));
  }));
  return tf.tensor(values, [batch, length, logs.length, 1]);
}

interface Rotation { readonly cosine: Tensor; readonly sine: Tensor }

/** Angles position / 10000^(i / (pairs - 1)), as torchscale spaces them, both ends included. */
function rotations(positions: Int32Array, shape: [number, number, number, number]): Rotation {
  const pairs = shape[3];
  const speeds = Float64Array.from({ length: pairs }, (_, i) => 1 / 10000 ** (pairs === 1 ? 0 : i / (pairs - 1)));
  const table = (of: (angle: number) => number): Tensor => {
    const values = new Float32Array(positions.length * pairs);
    for (let i = 0; i < values.length; i++) values[i] = of(positions[Math.floor(i / pairs)]! * speeds[i % pairs]!);
    return tf.tensor(values, shape);
  };
  return { cosine: table(Math.cos), sine: table(Math.sin) };
}

/** Turns neighbouring channels (2i, 2i + 1) of each head as one complex number. */
function rotate(x: Tensor, { cosine, sine }: Rotation): Tensor {
  const [batch, length, heads, width] = x.shape as [number, number, number, number];
  const [real, imaginary] = tf.unstack(tf.reshape(x, [batch, length, heads, width / 2, 2]), -1) as [Tensor, Tensor];
  const turned = tf.stack([tf.sub(tf.mul(real, cosine), tf.mul(imaginary, sine)), tf.add(tf.mul(imaginary, cosine), tf.mul(real, sine))], -1);
  return tf.reshape(turned, x.shape);
}
