import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../errors/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { disposeParameters } from './parameters.ts';
import type { Parameters } from './parameters.ts';
import { sequenceOptions } from './sequence-layer.ts';
import type { ApplyOptions, LayerCapabilities, SequenceLayer, SequenceResult } from './sequence-layer.ts';
import { checkState, zeroState } from './state.ts';
import type { State, StateSpec } from './state.ts';

const CONSTANT_STATE: LayerCapabilities = { state: 'constant', causal: true, runtime: false };

/**
 * A layer written once, as `forward` over a sequence: a step is a sequence of length 1, which the ops it is made of compute bit for bit like any other.
 * Its state is constant where the constructor is told nothing else.
 */
export abstract class StreamingLayer<S extends State, C extends { readonly dModel: number }> implements SequenceLayer<S> {
  abstract readonly kind: string;
  readonly config: C;
  readonly capabilities: LayerCapabilities;
  readonly parameters: Parameters;

  protected constructor(config: C, parameters: Parameters, capabilities = CONSTANT_STATE) {
    this.config = config;
    this.parameters = parameters;
    this.capabilities = capabilities;
  }

  get dModel(): number { return this.config.dModel; }
  get outputSize(): number { return this.config.dModel; }

  abstract stateSpec(batch: number): StateSpec;

  /** @param x - [B, L, D], checked. @param state - Checked; undefined = zeros. Runs inside a tidy. */
  protected abstract forward(x: Tensor, state: S | undefined, sequence: SequenceOptions): SequenceResult<S>;

  apply(x: Tensor, options: ApplyOptions<S> = {}): SequenceResult<S> {
    if (x.rank !== 3 || x.shape[2] !== this.dModel) throw new ShapeError(`${this.kind}.apply: x has shape [${x.shape}], expected [B, L, ${this.dModel}]. One step goes through step(x, state) as [B, ${this.dModel}].`);
    if (options.state !== undefined) checkState(`${this.kind}.apply`, this.stateSpec(x.shape[0]), options.state);
    return tf.tidy(() => {
      const { output, state } = this.forward(x, options.state, sequenceOptions(options));
      return { output, state };
    });
  }

  step(x: Tensor, state: S): SequenceResult<S> {
    if (this.capabilities.state === 'none') throw new ConfigError(`${this.kind}.step: this layer sees the whole sequence at once and has no step. Use apply(x) on whole sequences, or a causal layer.`);
    if (x.rank !== 2 || x.shape[1] !== this.dModel) throw new ShapeError(`${this.kind}.step: x has shape [${x.shape}], expected [B, ${this.dModel}], one step. A sequence goes through apply(x).`);
    checkState(`${this.kind}.step`, this.stateSpec(x.shape[0]), state);
    return tf.tidy(() => {
      const result = this.forward(tf.expandDims(x, 1), state, {});
      return { output: tf.squeeze(result.output, [1]), state: result.state };
    });
  }

  initialState(batch: number): S {
    return zeroState<S>(this.stateSpec(batch));
  }

  dispose(): void { disposeParameters(this.parameters); }
  [Symbol.dispose](): void { this.dispose(); }
}

/**
 * Fills in defaults and refuses unknown keys.
 *
 * @param whole - Keys beside dModel whose values must be whole numbers of at least 1.
 * @throws ConfigError naming the key and the known ones.
 */
export function completeConfig<C extends { readonly dModel: number }>(name: string, given: { dModel: number } & Partial<C>, defaults: Omit<C, 'dModel'>, whole: readonly (keyof C & string)[] = []): C {
  for (const key of Object.keys(given)) {
    if (key !== 'dModel' && !Object.hasOwn(defaults, key)) throw new ConfigError(`${name}: unknown option "${key}", expected one of dModel, ${Object.keys(defaults).join(', ')}.`);
  }
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const config = { ...defaults, ...known } as unknown as C;
  checkWhole(name, Object.fromEntries((['dModel', ...whole] as const).map((key) => [key, config[key]])));
  return config;
}

/** @throws ConfigError unless every value is a whole number of at least 1. */
export function checkWhole(name: string, values: { readonly [key: string]: unknown }): void {
  for (const [key, value] of Object.entries(values)) {
    if (!Number.isSafeInteger(value) || (value as number) < 1) throw new ConfigError(`${name}: ${key} is ${String(value)}, expected a whole number of at least 1.`);
  }
}

/** Width of each of `heads` equal parts of `width`. @throws ConfigError where they are not equal. */
export function headWidth(name: string, key: string, width: number, heads: number): number {
  if (!Number.isSafeInteger(width) || width < 1 || width % heads !== 0) {
    throw new ConfigError(`${name}: ${key} is ${width} and the number of heads ${heads}, expected heads that divide it into whole parts of at least 1.`);
  }
  return width / heads;
}

/** How many parts of `size` make up `width`. @throws ConfigError where there is a rest. */
export function partsOf(name: string, key: string, size: number, widthKey: string, width: number): number {
  if (width % size !== 0) throw new ConfigError(`${name}: ${key} is ${size} and ${widthKey} ${width}, expected ${key} to divide it.`);
  return width / size;
}

/** [B, L, H * P] -> [B, L, H, P]. */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const [batch, length, width] = x.shape as [number, number, number];
  return tf.reshape(x, [batch, length, heads, width / heads]);
}

/** [B, L, H, P] -> [B, L, H * P]. */
export function joinHeads(x: Tensor): Tensor {
  const [batch, length, heads, width] = x.shape as [number, number, number, number];
  return tf.reshape(x, [batch, length, heads * width]);
}

/** log(sigmoid(x)), exact where sigmoid underflows. */
export const logSigmoid = (x: Tensor): Tensor => tf.neg(tf.softplus(tf.neg(x)));
