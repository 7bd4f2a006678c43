import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import { gatedLinearAttention, rmsNorm } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { constant, glorotUniform } from '../random/index.ts';
import { silu } from './activations.ts';
import { affine } from './affine.ts';
import type { MatrixState } from './gla.ts';
import { createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { checkWhole, completeConfig, headWidth, joinHeads, logSigmoid, splitHeads, StreamingLayer } from './streaming-layer.ts';

export interface Hgrn2Config {
  readonly dModel: number;
  /** Width of the forget gate of each head: by how much a head's vector state is expanded. Default 128. */
  readonly expandRatio: number;
  /** Default dModel / expandRatio, as published. */
  readonly numHeads: number;
  /** Least value of the forget gate, from 0 to below 1. The paper raises it from layer to layer. Default 0. */
  readonly lowerBound: number;
  readonly normEps: number;
}

const DEFAULTS: Omit<Hgrn2Config, 'dModel'> = { expandRatio: 128, numHeads: 0, lowerBound: 0, normEps: 1e-5 };

export function hgrn2Config(given: { dModel: number } & Partial<Hgrn2Config>): Hgrn2Config {
  const config = completeConfig<Hgrn2Config>('HGRN2', given, DEFAULTS);
  const complete = { ...config, numHeads: config.numHeads || config.dModel / config.expandRatio };
  checkWhole('HGRN2', { expandRatio: complete.expandRatio, numHeads: complete.numHeads });
  headWidth('HGRN2', 'dModel', complete.dModel, complete.numHeads);
  if (!(complete.lowerBound >= 0 && complete.lowerBound < 1)) throw new ConfigError(`HGRN2: lowerBound is ${complete.lowerBound}, expected a number from 0 to below 1.`);
  return complete;
}

export function hgrn2Parameters({ dModel, expandRatio, numHeads }: Hgrn2Config): ParameterSpecs {
  const initialise = glorotUniform(2 ** -2.5), gates = expandRatio * numHeads;
  return {
    'q_proj.weight': { shape: [gates, dModel], initialise }, 'f_proj.weight': { shape: [gates, dModel], initialise },
    'i_proj.weight': { shape: [dModel, dModel], initialise }, 'g_norm.weight': { shape: [dModel], initialise: constant(1) },
    'o_proj.weight': { shape: [dModel, dModel], initialise },
  };
}

/**
 * HGRN2: S[t] = diag(f[t]) S[t-1] + (1 - f[t])^T i[t];  y[t] = W_o norm(silu(W_q x) S[t]), f = lowerBound + (1 - lowerBound) sigmoid(W_f x).
 *
 * @remarks The forget gate is the decay and its complement the key, so a step's weights sum to 1.
 * @see Qin et al. 2024, arXiv 2404.07904. Official: fla-org/flash-linear-attention, fla/layers/hgrn2.py, `HGRN2Attention`.
 * @example
 * const layer = Hgrn2.create({ dModel: 64, expandRatio: 16 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64]
 */
export class Hgrn2 extends StreamingLayer<MatrixState, Hgrn2Config> {
  static readonly kind = 'hgrn2';
  readonly kind = Hgrn2.kind;

  constructor(config: { dModel: number } & Partial<Hgrn2Config>, parameters: Parameters) {
    super(hgrn2Config(config), parameters);
  }

  static create(config: { dModel: number } & Partial<Hgrn2Config>, options: SeedOptions = {}): Hgrn2 {
    const complete = hgrn2Config(config);
    return new Hgrn2(complete, createParameters(hgrn2Parameters(complete), seededRandom(options)));
  }

  stateSpec(batch: number): StateSpec {
    const { dModel, expandRatio, numHeads } = this.config;
    return { matrix: [batch, numHeads, expandRatio, dModel / numHeads] };
  }

  protected forward(x: Tensor, state: MatrixState | undefined, sequence: SequenceOptions): SequenceResult<MatrixState> {
    const { numHeads, lowerBound, normEps } = this.config;
    const weights = this.parameters;
    const project = (name: string): Tensor => affine(x, weights[`${name}.weight`]!);
    const logits = project('f_proj');
    const key = tf.mul(tf.sigmoid(tf.neg(logits)), 1 - lowerBound);
    const decay = lowerBound === 0 ? logSigmoid(logits) : tf.log(tf.add(tf.mul(tf.sigmoid(logits), 1 - lowerBound), lowerBound));
    const attended = gatedLinearAttention(splitHeads(silu(project('q_proj')), numHeads), splitHeads(key, numHeads), splitHeads(project('i_proj'), numHeads), {
      ...sequence, decay: splitHeads(decay, numHeads), state,
    });
    const normed = rmsNorm(joinHeads(attended.output), weights['g_norm.weight']!, { epsilon: normEps });
    return { output: affine(normed, weights['o_proj.weight']!), state: { matrix: attended.state.matrix } };
  }
}
