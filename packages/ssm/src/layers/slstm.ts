import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../errors/index.ts';
import { causalConv1d, nonlinearScan } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { constant, fanInUniform, normal } from '../random/index.ts';
import type { Initialiser } from '../random/index.ts';
import { camelKeys } from './mamba-config.ts';
import { assignParameters, createParameters, disposeParameters } from './parameters.ts';
import type { Parameters, ParameterSpecs, WeightSource } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import { sequenceOptions } from './sequence-layer.ts';
import type { ApplyOptions, LayerCapabilities, SequenceLayer, SequenceResult } from './sequence-layer.ts';
import { checkState, zeroState } from './state.ts';
import type { StateSpec } from './state.ts';

export interface SlstmConfig {
  readonly dModel: number;
  /** Blocks of the recurrent matrix, of the gates and of the norm. Default 4. */
  readonly numHeads: number;
  /** Width of the causal convolution in front of the gates i and f; 0 = none. Default 4. */
  readonly conv1dKernelSize: number;
  /** Place in a model of `numBlocks` blocks, for the first forget biases. Default 0 of 1. */
  readonly blockIdx: number;
  readonly numBlocks: number;
}

/** `convolution` [B, W - 1, D] (absent without a convolution), `hidden`, `cell`, `normaliser` and log-`maximum` [B, D]. */
export type SlstmState = { readonly convolution?: Tensor; readonly hidden: Tensor; readonly cell: Tensor; readonly normaliser: Tensor; readonly maximum: Tensor };

const DEFAULTS = { numHeads: 4, conv1dKernelSize: 4, blockIdx: 0, numBlocks: 1 } as const;

export function slstmConfig(given: { dModel: number } & Partial<SlstmConfig>): SlstmConfig {
  for (const key of Object.keys(given)) if (key !== 'dModel' && !Object.hasOwn(DEFAULTS, key)) throw new ConfigError(`sLSTM: unknown option "${key}", expected one of dModel, ${Object.keys(DEFAULTS).join(', ')}.`);
  const config: SlstmConfig = { ...DEFAULTS, ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as unknown as { dModel: number }) };
  const least = { dModel: 1, numHeads: 1, conv1dKernelSize: 0, blockIdx: 0, numBlocks: 1 };
  for (const [key, minimum] of Object.entries(least)) {
    const value = config[key as keyof SlstmConfig];
    if (!Number.isSafeInteger(value) || value < minimum) throw new ConfigError(`sLSTM: ${key} is ${value}, expected a whole number of at least ${minimum}.`);
  }
  if (config.dModel % config.numHeads !== 0) throw new ConfigError(`sLSTM: dModel is ${config.dModel} and numHeads ${config.numHeads}, expected numHeads to divide dModel.`);
  return config;
}

/**
 * Projections of the input, forget, value and output gate. The official forward pass hands `fgate` to the input gate and `igate` to the forget gate; weights of its checkpoints mean
 * that, so it stays.
 */
const GATES = ['fgate', 'igate', 'zgate', 'ogate'] as const;

/** Names, layouts and first values of NX-AI/xlstm: R = 0, forget biases by a power law over each head, gates small. */
export function slstmParameters({ dModel, numHeads, conv1dKernelSize, blockIdx, numBlocks }: SlstmConfig): ParameterSpecs {
  const width = dModel / numHeads;
  const small = normal(Math.sqrt(2 / (5 * dModel)));
  const ratio = numBlocks > 1 ? blockIdx / (numBlocks - 1) : 0;
  const bias: Initialiser = () => Float32Array.from({ length: 4 * dModel }, (_, i) => {
    const [gate, unit] = [Math.floor(i / dModel), i % width];
    return gate === 1 ? 5 - 12 * (width > 1 ? unit / (width - 1) : 0) ** (0.3 + 1.3 * ratio) : 0;
  });
  return {
    ...(conv1dKernelSize > 0 ? {
      'conv1d.conv.weight': { shape: [dModel, 1, conv1dKernelSize], initialise: fanInUniform(conv1dKernelSize) },
      'conv1d.conv.bias': { shape: [dModel], initialise: fanInUniform(conv1dKernelSize) },
    } : {}),
    ...Object.fromEntries(GATES.map((gate) => [`${gate}.weight`, { shape: [numHeads, width, width], initialise: small }])),
    'slstm_cell._recurrent_kernel_': { shape: [numHeads, 4 * width, width], initialise: constant(0) },
    'slstm_cell._bias_': { shape: [4 * dModel], initialise: bias },
    'group_norm.weight': { shape: [dModel], initialise: constant(0) },
  };
}

/**
 * The scalar memory layer of xLSTM: i and f from c = silu(conv(x)), z and o from x, by blocks; c' = f c + i tanh(z), n' = f n + i with exponential i and a stabiliser m;
 * h = sigmoid(o) c' / n', fed back through a block-diagonal R; y = norm of each head of h.
 *
 * @remarks Parameters in the official names and layouts; the norm's weight is stored as its difference from 1. Time O(L D P), one step after another, P the head width.
 * @see Beck et al. 2024, arXiv 2405.04517, section 2.2. Official: NX-AI/xlstm, xlstm/blocks/slstm/layer.py, `sLSTMLayer`.
 * @example
 * const { output } = Slstm.create({ dModel: 64 }).apply(tf.zeros([2, 100, 64]));   // [2, 100, 64]
 */
export class Slstm implements SequenceLayer<SlstmState> {
  static readonly kind = 'slstm';
  readonly kind = Slstm.kind;
  readonly config: SlstmConfig;
  readonly capabilities: LayerCapabilities = { state: 'constant', causal: true, runtime: false };
  readonly parameters: Parameters;

  constructor(config: { dModel: number } & Partial<SlstmConfig>, parameters: Parameters) {
    this.config = slstmConfig(config);
    this.parameters = parameters;
  }

  static create(config: { dModel: number } & Partial<SlstmConfig>, options: SeedOptions = {}): Slstm {
    const complete = slstmConfig(config);
    return new Slstm(complete, createParameters(slstmParameters(complete), seededRandom(options)));
  }

  /** @param weights - `fgate.weight`, `slstm_cell._bias_`, ... @param config - Official keys: `embedding_dim`, `num_heads`, `conv1d_kernel_size`. */
  static fromOfficial(weights: WeightSource, config: { readonly [key: string]: unknown }): Slstm {
    const { embeddingDim, numHeads, conv1dKernelSize } = camelKeys(config) as { [key: string]: number };
    const layer = Slstm.create({ dModel: embeddingDim!, numHeads: numHeads!, ...(conv1dKernelSize !== undefined && { conv1dKernelSize }) });
    try {
      assignParameters(layer.parameters, weights, { what: 'Slstm.fromOfficial' });
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  get dModel(): number { return this.config.dModel; }
  get outputSize(): number { return this.config.dModel; }

  apply(x: Tensor, options: ApplyOptions<SlstmState> = {}): SequenceResult<SlstmState> {
    if (x.rank !== 3 || x.shape[2] !== this.dModel) throw new ShapeError(`sLSTM.apply: x has shape [${x.shape}], expected [B, L, ${this.dModel}]. One step goes through step(x, state) as [B, ${this.dModel}].`);
    if (options.state !== undefined) checkState('sLSTM.apply', this.stateSpec(x.shape[0]), options.state);
    return tf.tidy(() => {
      const { output, state } = this.#run(x, options.state, sequenceOptions(options));
      return { output, state };
    });
  }

  step(x: Tensor, state: SlstmState): SequenceResult<SlstmState> {
    if (x.rank !== 2 || x.shape[1] !== this.dModel) throw new ShapeError(`sLSTM.step: x has shape [${x.shape}], expected [B, ${this.dModel}], one step. A sequence goes through apply(x).`);
    checkState('sLSTM.step', this.stateSpec(x.shape[0]), state);
    return tf.tidy(() => {
      const result = this.#run(tf.expandDims(x, 1), state, {});
      return { output: tf.squeeze(result.output, [1]), state: result.state };
    });
  }

  initialState(batch: number): SlstmState { return zeroState<SlstmState>(this.stateSpec(batch)); }

  stateSpec(batch: number): StateSpec {
    const { dModel, conv1dKernelSize } = this.config;
    const unit = [batch, dModel];
    return { ...(conv1dKernelSize > 0 ? { convolution: [batch, conv1dKernelSize - 1, dModel] } : {}), hidden: unit, cell: unit, normaliser: unit, maximum: unit };
  }

  dispose(): void { disposeParameters(this.parameters); }
  [Symbol.dispose](): void { this.dispose(); }

  #run(x: Tensor, state: SlstmState | undefined, sequence: SequenceOptions): SequenceResult<SlstmState> {
    const { conv1dKernelSize } = this.config;
    const weights = this.parameters;
    const convolved = conv1dKernelSize === 0 ? undefined : causalConv1d(x, tf.squeeze(weights['conv1d.conv.weight'], [1]), {
      ...sequence, activation: 'silu', bias: weights['conv1d.conv.bias'], ...(state?.convolution && { state: state.convolution }),
    });
    const gates = GATES.map((gate) => blockwise(gate === 'fgate' || gate === 'igate' ? (convolved?.output ?? x) : x, weights[`${gate}.weight`]));
    const { output, state: next } = nonlinearScan(tf.concat(gates, -1), tf.transpose(weights['slstm_cell._recurrent_kernel_'], [0, 2, 1]), {
      ...sequence, kind: 'slstm', recurrentBias: weights['slstm_cell._bias_'],
      ...(state && { state: { hidden: state.hidden, cell: state.cell, normaliser: state.normaliser, maximum: state.maximum } }),
    });
    const memory = next as Omit<SlstmState, 'convolution'>;
    return { output: this.#norm(output), state: { ...(convolved && { convolution: convolved.state }), ...memory } };
  }

  /** Each head by itself: zero mean, unit variance, times 1 + weight. */
  #norm(hidden: Tensor): Tensor {
    const { dModel, numHeads } = this.config;
    const heads = tf.reshape(hidden, [...hidden.shape.slice(0, -1), numHeads, dModel / numHeads]);
    const centred = tf.sub(heads, tf.mean(heads, -1, true));
    const scaled = tf.div(centred, tf.sqrt(tf.add(tf.mean(tf.square(centred), -1, true), 1e-5)));
    return tf.mul(tf.reshape(scaled, hidden.shape), tf.add(this.parameters['group_norm.weight'], 1));
  }
}

/** A projection of each block of channels by itself: x [B, L, D], weight [H, outputs, inputs] -> [B, L, H * outputs]. */
function blockwise(x: Tensor, weight: Tensor): Tensor {
  const [blocks, outputs, inputs] = weight.shape as [number, number, number];
  const rows = tf.transpose(tf.reshape(x, [x.size / (blocks * inputs), blocks, inputs]), [1, 0, 2]); // [H, rows, inputs]
  return tf.reshape(tf.transpose(tf.matMul(rows, weight, false, true), [1, 0, 2]), [...x.shape.slice(0, -1), blocks * outputs]);
}
