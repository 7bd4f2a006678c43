import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { gatedLinearAttention, rmsNorm } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { constant, glorotUniform } from '../random/index.ts';
import { affine } from './affine.ts';
import { createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { checkWhole, completeConfig, headWidth, joinHeads, logSigmoid, splitHeads, StreamingLayer } from './streaming-layer.ts';

export interface GlaConfig {
  readonly dModel: number;
  readonly numHeads: number;
  /** Widths of keys and values, as parts of dModel. Default .5 and 1. */
  readonly expandK: number;
  readonly expandV: number;
  /** Rank of the gate's projection. Default 16. */
  readonly gateLowRankDim: number;
  /** The logarithm of a gate is divided by it: what a step keeps starts near 1. Default 16. */
  readonly gateLogitNormalizer: number;
  readonly normEps: number;
}

const DEFAULTS: Omit<GlaConfig, 'dModel'> = { numHeads: 4, expandK: 0.5, expandV: 1, gateLowRankDim: 16, gateLogitNormalizer: 16, normEps: 1e-5 };

export function glaConfig(given: { dModel: number } & Partial<GlaConfig>): GlaConfig {
  const config = completeConfig<GlaConfig>('GLA', given, DEFAULTS);
  checkWhole('GLA', { numHeads: config.numHeads, gateLowRankDim: config.gateLowRankDim });
  glaSizes(config);
  return config;
}

function glaSizes({ dModel, expandK, expandV, numHeads }: GlaConfig): { keys: number; values: number; key: number; value: number } {
  const keys = dModel * expandK, values = dModel * expandV;
  return { keys, values, key: headWidth('GLA', 'expandK x dModel', keys, numHeads), value: headWidth('GLA', 'expandV x dModel', values, numHeads) };
}

/** Names of flash-linear-attention; Glorot times 2^-2.5, biases 0. */
export function glaParameters(config: GlaConfig): ParameterSpecs {
  const { dModel, gateLowRankDim: rank } = config;
  const { keys, values, value } = glaSizes(config);
  const initialise = glorotUniform(2 ** -2.5);
  return {
    'q_proj.weight': { shape: [keys, dModel], initialise }, 'k_proj.weight': { shape: [keys, dModel], initialise },
    'v_proj.weight': { shape: [values, dModel], initialise }, 'g_proj.weight': { shape: [values, dModel], initialise },
    'gk_proj.0.weight': { shape: [rank, dModel], initialise }, 'gk_proj.1.weight': { shape: [keys, rank], initialise },
    'gk_proj.1.bias': { shape: [keys], initialise: constant(0) },
    'g_norm_swish_gate.weight': { shape: [value], initialise: constant(1) }, 'o_proj.weight': { shape: [dModel, values], initialise },
  };
}

/** `matrix` [B, H, K, V]. */
export type MatrixState = { readonly matrix: Tensor };

/**
 * Gated linear attention: S[t] = diag(alpha[t]) S[t-1] + k[t]^T v[t];  y[t] = W_o (norm(q[t] S[t]) * silu(W_g x)), alpha = sigmoid(low-rank of x)^(1/16).
 *
 * @remarks The state is [B, H, K, V], whatever the length. Time O(L K V H).
 * @see Yang et al. 2023, arXiv 2312.06635, section 4. Official: fla-org/flash-linear-attention, fla/layers/gla.py, `GatedLinearAttention`.
 * @example
 * const layer = Gla.create({ dModel: 64, numHeads: 4 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64]
 */
export class Gla extends StreamingLayer<MatrixState, GlaConfig> {
  static readonly kind = 'gla';
  readonly kind = Gla.kind;

  constructor(config: { dModel: number } & Partial<GlaConfig>, parameters: Parameters) {
    super(glaConfig(config), parameters);
  }

  static create(config: { dModel: number } & Partial<GlaConfig>, options: SeedOptions = {}): Gla {
    const complete = glaConfig(config);
    return new Gla(complete, createParameters(glaParameters(complete), seededRandom(options)));
  }

  stateSpec(batch: number): StateSpec {
    const { key, value } = glaSizes(this.config);
    return { matrix: [batch, this.config.numHeads, key, value] };
  }

  protected forward(x: Tensor, state: MatrixState | undefined, sequence: SequenceOptions): SequenceResult<MatrixState> {
    const { numHeads, gateLogitNormalizer, normEps } = this.config;
    const weights = this.parameters;
    const project = (name: string): Tensor => splitHeads(affine(x, weights[`${name}.weight`]!), numHeads);
    const gate = affine(affine(x, weights['gk_proj.0.weight']!), weights['gk_proj.1.weight']!, weights['gk_proj.1.bias']);
    const attended = gatedLinearAttention(project('q_proj'), project('k_proj'), project('v_proj'), {
      ...sequence, decay: splitHeads(tf.div(logSigmoid(gate), gateLogitNormalizer), numHeads), state,
    });
    const normed = rmsNorm(attended.output, weights['g_norm_swish_gate.weight']!, { epsilon: normEps, z: project('g_proj') });
    return { output: affine(joinHeads(normed), weights['o_proj.weight']!), state: { matrix: attended.state.matrix } };
  }
}
