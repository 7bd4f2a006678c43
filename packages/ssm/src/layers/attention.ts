import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError, ShapeError, StateError } from '../errors/index.ts';
import { attention } from '../ops/index.ts';
import type { AttentionState, SequenceOptions } from '../ops/index.ts';
import { constant, glorotUniform } from '../random/index.ts';
import { affine } from './affine.ts';
import { createParameters, disposeParameters } from './parameters.ts';
import type { Parameters, ParameterSpecs } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import { sequenceOptions } from './sequence-layer.ts';
import type { ApplyOptions, LayerCapabilities, SequenceLayer, SequenceResult } from './sequence-layer.ts';
import { checkState, zeroState } from './state.ts';
import type { State, StateSpec } from './state.ts';

export interface AttentionConfig {
  readonly dModel: number;
  /** Query heads. Default 4. */
  readonly numHeads: number;
  /** Heads of keys and values, a divisor of numHeads. Default numHeads. */
  readonly numKeyValueHeads: number;
  /** Width of a head. Default dModel / numHeads. */
  readonly headDim: number;
  /** Whether a step sees only itself and earlier ones. Default true. */
  readonly causal: boolean;
  /** Steps a query sees, itself included; null = all. With a window the state is constant. Default null. */
  readonly window: number | null;
  /** Most steps of a causal sequence without a window: the size of its state. Default 2048. */
  readonly maximumLength: number;
  /** Turn queries and keys by their position. Default true. */
  readonly rotary: boolean;
  readonly ropeTheta: number;
  /** Biases of the four projections. Default false. */
  readonly bias: boolean;
}

const DEFAULTS = { causal: true, window: null, maximumLength: 2048, rotary: true, ropeTheta: 10000, bias: false } as const;

export const ATTENTION_KEYS = ['numHeads', 'numKeyValueHeads', 'headDim', ...Object.keys(DEFAULTS)] as readonly Exclude<keyof AttentionConfig, 'dModel'>[];

/** @throws ConfigError naming the key, its value and what is allowed. */
export function attentionConfig(given: { dModel: number } & Partial<AttentionConfig>): AttentionConfig {
  for (const key of Object.keys(given)) if (key !== 'dModel' && !(ATTENTION_KEYS as readonly string[]).includes(key)) throw new ConfigError(`attention: unknown option "${key}", expected one of dModel, ${ATTENTION_KEYS.join(', ')}.`);
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<AttentionConfig>;
  const numHeads = known.numHeads ?? 4;
  const config: AttentionConfig = { ...DEFAULTS, numHeads, numKeyValueHeads: numHeads, headDim: given.dModel / numHeads, ...known, dModel: given.dModel };
  for (const key of ['dModel', 'numHeads', 'numKeyValueHeads', 'headDim', 'maximumLength', ...(config.window === null ? [] : ['window'])] as (keyof AttentionConfig)[]) {
    const value = config[key];
    if (!Number.isSafeInteger(value) || (value as number) < 1) throw new ConfigError(`attention: ${key} is ${String(value)}, expected a whole number of at least 1.${key === 'headDim' ? ' Choose numHeads that divides dModel, or give headDim.' : ''}`);
  }
  if (numHeads % config.numKeyValueHeads !== 0) throw new ConfigError(`attention: numHeads is ${numHeads} and numKeyValueHeads ${config.numKeyValueHeads}, expected the second to divide the first.`);
  if (config.rotary && config.headDim % 2 !== 0) throw new ConfigError(`attention: headDim is ${config.headDim}, expected an even number with rotary. Choose other heads, or rotary: false.`);
  return config;
}

export function attentionParameters({ dModel, numHeads, numKeyValueHeads, headDim, bias }: AttentionConfig): ParameterSpecs {
  const parts: [string, number, number][] = [['q_proj', numHeads * headDim, dModel], ['k_proj', numKeyValueHeads * headDim, dModel], ['v_proj', numKeyValueHeads * headDim, dModel], ['out_proj', dModel, numHeads * headDim]];
  return Object.fromEntries(parts.flatMap(([name, outputs, inputs]) => [
    [`${name}.weight`, { shape: [outputs, inputs], initialise: glorotUniform() }], ...(bias ? [[`${name}.bias`, { shape: [outputs], initialise: constant(0) }]] : []),
  ])) as ParameterSpecs;
}

/** Causal: `keys`, `values` [B, M, G, K] and `position` [B] int32, see the op; both-sided attention has none. */
export type AttentionLayerState = AttentionState | { readonly [name: string]: never };

/**
 * Multi-head attention: y = W_out concat over heads of softmax(q k^T / sqrt(K)) v, q, k, v projections of x. Causal or to both sides, of every step or a window, with grouped
 * keys and values, with or without rotation.
 *
 * @remarks Causal without a window, the state grows: `maximumLength` is its declared size. With `causal: false` there is no state and `step` throws. First values: Glorot.
 * @see Vaswani et al. 2017, arXiv 1706.03762; the op's README for the rest.
 * @example
 * const layer = Attention.create({ dModel: 64, numHeads: 4, window: 32 }, { seed: 1 });
 * const { output, state } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64], 31 keys and values
 */
export class Attention implements SequenceLayer<State> {
  static readonly kind = 'attention';
  readonly kind = Attention.kind;
  readonly config: AttentionConfig;
  readonly capabilities: LayerCapabilities;
  readonly parameters: Parameters;

  constructor(config: { dModel: number } & Partial<AttentionConfig>, parameters: Parameters) {
    this.config = attentionConfig(config);
    this.parameters = parameters;
    const { causal, window, maximumLength } = this.config;
    this.capabilities = !causal ? { state: 'none', causal, runtime: false } : window !== null ? { state: 'constant', causal, runtime: false } : { state: 'growing', causal, maximumLength, runtime: false };
  }

  static create(config: { dModel: number } & Partial<AttentionConfig>, options: SeedOptions = {}): Attention {
    const complete = attentionConfig(config);
    return new Attention(complete, createParameters(attentionParameters(complete), seededRandom(options)));
  }

  get dModel(): number { return this.config.dModel; }
  get outputSize(): number { return this.config.dModel; }

  apply(x: Tensor, options: ApplyOptions<State> = {}): SequenceResult<State> {
    if (x.rank !== 3 || x.shape[2] !== this.dModel) throw new ShapeError(`attention.apply: x has shape [${x.shape}], expected [B, L, ${this.dModel}]. One step goes through step(x, state) as [B, ${this.dModel}].`);
    if (options.state !== undefined) checkState('attention.apply', this.stateSpec(x.shape[0]), options.state);
    return tf.tidy(() => {
      const { output, state } = this.#run(x, options.state, sequenceOptions(options));
      return { output, state };
    });
  }

  step(x: Tensor, state: State): SequenceResult<State> {
    if (!this.config.causal) throw new StateError('attention.step: this layer sees both sides (causal: false), so it has no step. Give it the whole sequence with apply(x).');
    if (x.rank !== 2 || x.shape[1] !== this.dModel) throw new ShapeError(`attention.step: x has shape [${x.shape}], expected [B, ${this.dModel}], one step. A sequence goes through apply(x).`);
    checkState('attention.step', this.stateSpec(x.shape[0]), state);
    return tf.tidy(() => {
      const result = this.#run(tf.expandDims(x, 1), state, {});
      return { output: tf.squeeze(result.output, [1]), state: result.state };
    });
  }

  initialState(batch: number): State { return zeroState<State>(this.stateSpec(batch)); }

  stateSpec(batch: number): StateSpec {
    const { causal, window, maximumLength, numKeyValueHeads, headDim } = this.config;
    if (!causal) return {};
    const slots = [batch, window === null ? maximumLength : window - 1, numKeyValueHeads, headDim];
    return { keys: slots, values: slots, position: { shape: [batch], dtype: 'int32' } };
  }

  dispose(): void { disposeParameters(this.parameters); }
  [Symbol.dispose](): void { this.dispose(); }

  #run(x: Tensor, state: State | undefined, sequence: SequenceOptions): SequenceResult<State> {
    const { numHeads, numKeyValueHeads, headDim, causal, window, maximumLength, rotary, ropeTheta } = this.config;
    const weights = this.parameters;
    const heads = (name: string, count: number): Tensor => tf.reshape(affine(x, weights[`${name}.weight`]!, weights[`${name}.bias`]), [...x.shape.slice(0, 2), count, headDim]);
    const result = attention(heads('q_proj', numHeads), heads('k_proj', numKeyValueHeads), heads('v_proj', numKeyValueHeads), {
      ...sequence, causal, ...(rotary && { rotary: { base: ropeTheta } }), ...(window !== null && { window }),
      ...(causal && state ? { state: state as unknown as AttentionState } : causal && window === null ? { maximumLength } : {}),
    });
    const joined = tf.reshape(result.output, [...x.shape.slice(0, 2), numHeads * headDim]);
    return { output: affine(joined, weights['out_proj.weight']!, weights['out_proj.bias']), state: { ...result.state } };
  }
}
