import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { causalConv1d, gatedLinearAttention } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { constant, fanInUniform, normal } from '../random/index.ts';
import type { Initialiser } from '../random/index.ts';
import { silu } from './activations.ts';
import { affine } from './affine.ts';
import { headNorm } from './head-norm.ts';
import { camelKeys } from './mamba-config.ts';
import { assignParameters, createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters, WeightSource } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { checkWhole, completeConfig, headWidth, logSigmoid, partsOf, splitHeads, StreamingLayer } from './streaming-layer.ts';

export interface MlstmConfig {
  readonly dModel: number;
  readonly numHeads: number;
  readonly conv1dKernelSize: number;
  /** Width of the blocks of the q, k and v projections. Default 4. */
  readonly qkvProjBlocksize: number;
  /** Inner width is projFactor x dModel, rounded up to a multiple of roundProjUpToMultipleOf. Default 2 and 64. */
  readonly projFactor: number;
  readonly roundProjUpToMultipleOf: number;
  readonly bias: boolean;
  /** Number of blocks of the model, for the first output weights. Default 1. */
  readonly numBlocks: number;
}

const DEFAULTS: Omit<MlstmConfig, 'dModel'> = { numHeads: 4, conv1dKernelSize: 4, qkvProjBlocksize: 4, projFactor: 2, roundProjUpToMultipleOf: 64, bias: false, numBlocks: 1 };

export function mlstmConfig(given: { dModel: number } & Partial<MlstmConfig>): MlstmConfig {
  const config = completeConfig<MlstmConfig>('mLSTM', given, DEFAULTS);
  const { numHeads, conv1dKernelSize, qkvProjBlocksize, roundProjUpToMultipleOf, numBlocks } = config;
  checkWhole('mLSTM', { numHeads, conv1dKernelSize, qkvProjBlocksize, roundProjUpToMultipleOf, numBlocks });
  headWidth('mLSTM', 'the inner width', mlstmInner(config), numHeads);
  partsOf('mLSTM', 'qkvProjBlocksize', qkvProjBlocksize, 'the inner width', mlstmInner(config));
  return config;
}

function mlstmInner({ dModel, projFactor, roundProjUpToMultipleOf: multiple }: MlstmConfig): number {
  return Math.ceil((projFactor * dModel) / multiple) * multiple;
}

/** Names and first values of NX-AI/xlstm: forget biases from 3 to 6 over the heads, input gates nearly constant. */
export function mlstmParameters(config: MlstmConfig): ParameterSpecs {
  const { dModel, numHeads, conv1dKernelSize, qkvProjBlocksize: block, bias, numBlocks } = config;
  const inner = mlstmInner(config);
  const small = (width: number): Initialiser => normal(Math.sqrt(2 / (5 * width)));
  const forget: Initialiser = () => Float32Array.from({ length: numHeads }, (_, head) => 3 + (numHeads === 1 ? 0 : (3 * head) / (numHeads - 1)));
  const blocks = Object.fromEntries(['q', 'k', 'v'].flatMap((name) => [
    [`${name}_proj.weight`, { shape: [inner / block, block, block], initialise: small(block) }],
    ...(bias ? [[`${name}_proj.bias`, { shape: [inner], initialise: constant(0) }]] : []),
  ])) as ParameterSpecs;
  return {
    learnable_skip: { shape: [inner], initialise: constant(1) },
    'proj_up.weight': { shape: [2 * inner, dModel], initialise: small(dModel) }, ...(bias && { 'proj_up.bias': { shape: [2 * inner], initialise: constant(0) } }),
    ...blocks,
    'conv1d.conv.weight': { shape: [inner, 1, conv1dKernelSize], initialise: fanInUniform(conv1dKernelSize) },
    'conv1d.conv.bias': { shape: [inner], initialise: fanInUniform(conv1dKernelSize) },
    'mlstm_cell.igate.weight': { shape: [numHeads, 3 * inner], initialise: constant(0) }, 'mlstm_cell.igate.bias': { shape: [numHeads], initialise: normal(0.1) },
    'mlstm_cell.fgate.weight': { shape: [numHeads, 3 * inner], initialise: constant(0) }, 'mlstm_cell.fgate.bias': { shape: [numHeads], initialise: forget },
    'mlstm_cell.outnorm.weight': { shape: [inner], initialise: constant(0) },
    'proj_down.weight': { shape: [dModel, inner], initialise: normal(2 / numBlocks / Math.sqrt(dModel)) }, ...(bias && { 'proj_down.bias': { shape: [dModel], initialise: constant(0) } }),
  };
}

/** `convolution` [B, W - 1, E]; `matrix` [B, H, K, K], `normaliser` [B, H, K] and the log-`maximum` [B, H] that both are scaled by. */
export type MlstmState = { readonly convolution: Tensor; readonly matrix: Tensor; readonly normaliser: Tensor; readonly maximum: Tensor };

/**
 * The matrix memory layer of xLSTM: C[t] = f C[t-1] + i k[t]^T v[t], n[t] = f n[t-1] + i k[t];  h[t] = q[t] C[t] / max(|q[t] n[t]|, 1), exponential i, sigmoid f, inside a
 * gated block: y = W_down ((norm(h) + skip * c) * silu(z)), c = silu(conv(x W_up)), q and k from c.
 *
 * @remarks State and normaliser are kept times exp(-maximum); zeros are the start, as in the official steps. The norm's weight is stored as its difference from 1.
 * @see Beck et al. 2024, arXiv 2405.04517. Official: NX-AI/xlstm, xlstm/blocks/mlstm/layer.py, `mLSTMLayer`.
 * @example
 * const layer = Mlstm.create({ dModel: 64, numHeads: 4 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64]
 */
export class Mlstm extends StreamingLayer<MlstmState, MlstmConfig> {
  static readonly kind = 'mlstm';
  readonly kind = Mlstm.kind;

  constructor(config: { dModel: number } & Partial<MlstmConfig>, parameters: Parameters) {
    super(mlstmConfig(config), parameters);
  }

  static create(config: { dModel: number } & Partial<MlstmConfig>, options: SeedOptions = {}): Mlstm {
    const complete = mlstmConfig(config);
    return new Mlstm(complete, createParameters(mlstmParameters(complete), seededRandom(options)));
  }

  /** @param weights - `proj_up.weight`, `mlstm_cell.igate.weight`, ... @param config - Official keys: `embedding_dim`, `num_heads`, ... */
  static fromOfficial(weights: WeightSource, config: { readonly [key: string]: unknown }): Mlstm {
    const given = camelKeys(config);
    const keys = ['numHeads', 'conv1dKernelSize', 'qkvProjBlocksize', 'projFactor', 'bias'].filter((key) => given[key] !== undefined);
    const layer = Mlstm.create({ dModel: given['embeddingDim'] as number, ...Object.fromEntries(keys.map((key) => [key, given[key]])) });
    assignParameters(layer.parameters, weights, { what: 'Mlstm.fromOfficial' });
    return layer;
  }

  stateSpec(batch: number): StateSpec {
    const { numHeads, conv1dKernelSize } = this.config;
    const inner = mlstmInner(this.config), width = inner / numHeads;
    return { convolution: [batch, conv1dKernelSize - 1, inner], matrix: [batch, numHeads, width, width], normaliser: [batch, numHeads, width], maximum: [batch, numHeads] };
  }

  protected forward(x: Tensor, state: MlstmState | undefined, sequence: SequenceOptions): SequenceResult<MlstmState> {
    const weights = this.parameters;
    const [signal, gate] = tf.split(affine(x, weights['proj_up.weight']!, weights['proj_up.bias']), 2, -1) as [Tensor, Tensor]; // [B, L, E] each
    const convolved = causalConv1d(signal, tf.squeeze(weights['conv1d.conv.weight']!, [1]), {
      ...sequence, activation: 'silu', bias: weights['conv1d.conv.bias'], state: state?.convolution,
    });
    const q = this.#blockwise('q', convolved.output), k = this.#blockwise('k', convolved.output), v = this.#blockwise('v', signal);
    const { output, state: memory } = mlstmCell(q, k, v, weights, this.config.numHeads, state, sequence);
    const skipped = tf.add(output, tf.mul(convolved.output, weights['learnable_skip']!));
    return {
      output: affine(tf.mul(skipped, silu(gate)), weights['proj_down.weight']!, weights['proj_down.bias']),
      state: { convolution: convolved.state, ...memory },
    };
  }

  /** A projection of each block of channels by itself. [B, L, E] -> [B, L, E]. */
  #blockwise(name: 'q' | 'k' | 'v', x: Tensor): Tensor {
    const weight = this.parameters[`${name}_proj.weight`]!, bias = this.parameters[`${name}_proj.bias`];
    const [blocks, outputs, inputs] = weight.shape as [number, number, number];
    const rows = tf.transpose(tf.reshape(x, [x.size / (blocks * inputs), blocks, inputs]), [1, 0, 2]); // [blocks, rows, inputs]
    const product = tf.reshape(tf.transpose(tf.matMul(rows, weight, false, true), [1, 0, 2]), [...x.shape.slice(0, -1), blocks * outputs]);
    return bias ? tf.add(product, bias) : product;
  }
}

type Memory = { matrix: Tensor; normaliser: Tensor; maximum: Tensor };

/** The recurrence with its gates and the norm of each head. q, k, v [B, L, E]. */
function mlstmCell(
  q: Tensor, k: Tensor, v: Tensor, weights: Parameters, heads: number, state: Memory | undefined, sequence: SequenceOptions,
): { output: Tensor; state: Memory } {
  const all = tf.concat([q, k, v], -1);
  const gate = (name: string): Tensor => affine(all, weights[`mlstm_cell.${name}.weight`]!, weights[`mlstm_cell.${name}.bias`]);
  const width = q.shape[2]! / heads;
  const { output, state: next } = gatedLinearAttention(splitHeads(q, heads), splitHeads(tf.mul(k, width ** -0.5), heads), splitHeads(v, heads), {
    ...sequence, inputGate: gate('igate'), decay: logSigmoid(gate('fgate')), normaliser: 'maximum', scale: 1,
    ...(state && { state: { matrix: state.matrix, normaliser: state.normaliser, maximum: state.maximum } }),
  });
  return {
    output: headNorm(output, tf.add(weights['mlstm_cell.outnorm.weight']!, 1), undefined, 1e-5),
    state: { matrix: next.matrix, normaliser: next.normaliser!, maximum: next.maximum! },
  };
}
