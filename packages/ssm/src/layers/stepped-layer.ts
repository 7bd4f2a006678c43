import type { Tensor, TensorContainer } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../errors/index.ts';
import { disposeParameters } from './parameters.ts';
import type { Parameters } from './parameters.ts';
import { sequenceOptions } from './sequence-layer.ts';
import type { ApplyOptions, LayerCapabilities, SequenceLayer, SequenceResult } from './sequence-layer.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { checkState, zeroState } from './state.ts';
import type { State, StateSpec } from './state.ts';

/** A sequence layer whose step is its whole form with one step: the ops inside choose the cheaper way by themselves. */
export abstract class SteppedLayer<S extends State> implements SequenceLayer<S> {
  abstract readonly kind: string;
  abstract readonly config: { readonly dModel: number };
  abstract readonly capabilities: LayerCapabilities;
  readonly parameters: Parameters;

  protected constructor(parameters: Parameters) {
    this.parameters = parameters;
  }

  get dModel(): number { return this.config.dModel; }
  get outputSize(): number { return this.config.dModel; }

  apply(x: Tensor, options: ApplyOptions<S> = {}): SequenceResult<S> {
    if (x.rank !== 3 || x.shape[2] !== this.dModel) throw new ShapeError(`${this.kind}.apply: x has shape [${x.shape}], expected [B, L, ${this.dModel}]. One step goes through step(x, state) as [B, ${this.dModel}].`);
    if (options.state !== undefined) checkState(`${this.kind}.apply`, this.stateSpec(x.shape[0]!), options.state);
    return tf.tidy(() => this.run(x, sequenceOptions(options), options.state) as unknown as TensorContainer) as unknown as SequenceResult<S>;
  }

  step(x: Tensor, state: S): SequenceResult<S> {
    if (this.capabilities.state === 'none') throw new ConfigError(`${this.kind}.step: this layer sees the whole sequence at once and has no step. Use apply(x) on whole sequences, or a causal layer.`);
    if (x.rank !== 2 || x.shape[1] !== this.dModel) throw new ShapeError(`${this.kind}.step: x has shape [${x.shape}], expected [B, ${this.dModel}], one step. A sequence goes through apply(x).`);
    checkState(`${this.kind}.step`, this.stateSpec(x.shape[0]!), state);
    return tf.tidy(() => {
      const result = this.run(tf.expandDims(x, 1), {}, state);
      return { output: tf.squeeze(result.output, [1]), state: result.state };
    });
  }

  initialState(batch: number): S {
    return zeroState<S>(this.stateSpec(batch));
  }

  abstract stateSpec(batch: number): StateSpec;
  /** The layer on [B, L, dModel], inside a tidy. */
  protected abstract run(x: Tensor, sequence: SequenceOptions, state: S | undefined): SequenceResult<S>;

  dispose(): void { disposeParameters(this.parameters); }
  [Symbol.dispose](): void { this.dispose(); }
}

/** A configuration with its defaults; unknown keys throw ConfigError. Keys named in `whole` must be whole numbers of at least 1. */
export function completeConfig<C extends object>(name: string, defaults: Partial<C>, given: Partial<C>, whole: readonly (keyof C & string)[]): C {
  const known = new Set(['dModel', ...Object.keys(defaults)]);
  for (const key of Object.keys(given)) if (!known.has(key)) throw new ConfigError(`${name}: unknown option "${key}", expected one of ${[...known].join(', ')}.`);
  const config = { ...defaults, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) } as C;
  for (const key of whole) {
    if (!Number.isSafeInteger(config[key]) || (config[key] as number) < 1) throw new ConfigError(`${name}: ${key} is ${String(config[key])}, expected a whole number of at least 1.`);
  }
  return config;
}

/** Marks a buffer of the official layer: it travels with the weights but is not trained. */
export function freeze(parameters: Parameters, ...names: string[]): void {
  for (const name of names) if (parameters[name]) parameters[name].trainable = false;
}
