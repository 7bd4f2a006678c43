import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../errors/index.ts';
import type { ComplexTensor, SystemOptions } from '../ops/index.ts';
import { fanInUniform, normal } from '../random/index.ts';
import { gatedHalves, gelu, silu } from './activations.ts';
import { affine } from './affine.ts';
import { disposeParameters } from './parameters.ts';
import type { Parameters, ParameterSpecs } from './parameters.ts';
import { sequenceOptions } from './sequence-layer.ts';
import type { ApplyOptions, LayerCapabilities, SequenceLayer, SequenceResult } from './sequence-layer.ts';
import { checkState, zeroState } from './state.ts';
import type { StateSpec } from './state.ts';

/** State of the kept modes of every channel, [B, H, N] each. */
export type StateSpaceState = { readonly re: Tensor; readonly im: Tensor };

/** What S4, S4D and DSS share around their systems: skip, activation, mixing of channels. */
export interface StateSpaceConfig {
  readonly dModel: number;
  /** Outputs of each channel's system. Default 1. */
  readonly channels: number;
  /** Behind the system and its skip. Default 'gelu' (exact). */
  readonly activation: 'gelu' | 'silu' | 'none';
  /** Behind the linear map of all channels: 'glu' doubles its width and gates; 'id': nothing; 'none': there is no linear map. */
  readonly finalAct: 'glu' | 'id' | 'none';
}

export const STATE_SPACE_DEFAULTS = { channels: 1, activation: 'gelu', finalAct: 'glu' } as const;

export function checkStateSpaceConfig(what: string, config: StateSpaceConfig, defaults: object, given: object): void {
  for (const key of Object.keys(given)) {
    if (key !== 'dModel' && !Object.hasOwn(defaults, key) && key !== 'layer') throw new ConfigError(`${what}: unknown option "${key}", expected one of dModel, ${Object.keys(defaults).join(', ')}.`);
  }
  for (const key of ['dModel', 'channels'] as const) wholeNumber(what, key, config[key]);
  if (!['gelu', 'silu', 'none'].includes(config.activation)) throw new ConfigError(`${what}: activation is ${JSON.stringify(config.activation)}, expected 'gelu', 'silu' or 'none'.`);
  if (!['glu', 'id', 'none'].includes(config.finalAct)) throw new ConfigError(`${what}: finalAct is ${JSON.stringify(config.finalAct)}, expected 'glu', 'id' or 'none'.`);
  if (config.finalAct === 'none' && config.channels !== 1) throw new ConfigError(`${what}: finalAct is 'none' with ${config.channels} channels, expected a linear map to bring them together. Set channels to 1 or finalAct to 'id'.`);
}

export function wholeNumber(what: string, key: string, value: unknown, least = 1): void {
  if (!Number.isSafeInteger(value) || (value as number) < least) throw new ConfigError(`${what}: ${key} is ${String(value)}, expected a whole number of at least ${least}.`);
}

/** Names of the parameters around the system. */
export interface StateSpaceNames { readonly skip: string; readonly weight: string; readonly bias: string }

/** Specs of skip and linear map by the published first values: normal, and uniform in +-1/sqrt(inputs). */
export function surroundingParameters(config: StateSpaceConfig, names: StateSpaceNames, biasShape: readonly number[]): ParameterSpecs {
  const { dModel, channels, finalAct } = config;
  return {
    [names.skip]: { shape: [channels, dModel], initialise: normal(1) },
    ...(finalAct !== 'none' && {
      [names.weight]: { shape: [biasShape[0]!, channels * dModel], initialise: fanInUniform() },
      [names.bias]: { shape: biasShape, initialise: fanInUniform(channels * dModel) },
    }),
  };
}

/** A system for each channel, y = act(system(u) + D u) mixed by a linear map, as a sequence layer with a state of constant size. */
export abstract class StateSpaceLayer<Config extends StateSpaceConfig> implements SequenceLayer<StateSpaceState> {
  abstract readonly kind: string;
  readonly config: Config;
  readonly capabilities: LayerCapabilities = { state: 'constant', causal: true, runtime: false };
  readonly parameters: Parameters;
  readonly #names: StateSpaceNames;

  protected constructor(config: Config, parameters: Parameters, names: StateSpaceNames) {
    this.config = config;
    this.parameters = parameters;
    this.#names = names;
  }

  get dModel(): number { return this.config.dModel; }
  get outputSize(): number { return this.config.dModel; }

  /** Kept modes N of each channel. */
  protected abstract get modes(): number;
  /** The systems on u [B, L, H]: output [B, L, C, H] and the state. */
  protected abstract run(u: Tensor, options: SystemOptions): { output: Tensor; state: ComplexTensor };

  apply(x: Tensor, options: ApplyOptions<StateSpaceState> = {}): SequenceResult<StateSpaceState> {
    if (x.rank !== 3 || x.shape[2] !== this.dModel) throw new ShapeError(`${this.kind}.apply: x has shape [${x.shape}], expected [B, L, ${this.dModel}]. One step goes through step(x, state) as [B, ${this.dModel}].`);
    if (options.state !== undefined) checkState(`${this.kind}.apply`, this.stateSpec(x.shape[0]), options.state);
    return tf.tidy(() => {
      const { output, state } = this.run(x, { ...sequenceOptions(options), ...(options.state && { state: options.state }) });
      options.observe?.('system', output);
      return { output: this.#surround(x, output), state: { re: state.re, im: state.im } };
    });
  }

  step(x: Tensor, state: StateSpaceState): SequenceResult<StateSpaceState> {
    if (x.rank !== 2 || x.shape[1] !== this.dModel) throw new ShapeError(`${this.kind}.step: x has shape [${x.shape}], expected [B, ${this.dModel}], one step. A sequence goes through apply(x).`);
    checkState(`${this.kind}.step`, this.stateSpec(x.shape[0]), state);
    return tf.tidy(() => {
      const u = tf.expandDims(x, 1), next = this.run(u, { state });
      return { output: tf.squeeze(this.#surround(u, next.output), [1]), state: { re: next.state.re, im: next.state.im } };
    });
  }

  initialState(batch: number): StateSpaceState {
    return zeroState<StateSpaceState>(this.stateSpec(batch));
  }

  stateSpec(batch: number): StateSpec {
    return { re: [batch, this.dModel, this.modes], im: [batch, this.dModel, this.modes] };
  }

  dispose(): void { disposeParameters(this.parameters); }
  [Symbol.dispose](): void { this.dispose(); }

  /** Skip, activation and mixing of y [B, L, C, H]. */
  #surround(u: Tensor, y: Tensor): Tensor {
    const { channels, dModel, activation, finalAct } = this.config, [batch, length] = u.shape as [number, number, number];
    const skipped = tf.add(y, tf.mul(tf.expandDims(u, 2), this.parameters[this.#names.skip]!));
    const flat = tf.reshape(skipped, [batch, length, channels * dModel]);
    const active = activation === 'gelu' ? gelu(flat) : activation === 'silu' ? silu(flat) : flat;
    if (finalAct === 'none') return active;
    const mixed = affine(active, this.parameters[this.#names.weight]!, tf.reshape(this.parameters[this.#names.bias]!, [-1]));
    return finalAct === 'glu' ? gatedHalves(mixed) : mixed;
  }
}
