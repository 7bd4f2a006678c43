import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import type { ApplyOptions, LayerCapabilities, SequenceLayer, SequenceResult } from './sequence-layer.ts';
import { checkState } from './state.ts';
import type { StateSpec } from './state.ts';

export type IdentityState = { readonly [name: string]: never };

/**
 * y[t] = x[t]: the control. A model whose mixer is replaced by this sees no other step, so whatever it still learns was not learned by the mixer.
 */
export class Identity implements SequenceLayer<IdentityState> {
  static readonly kind = 'identity';
  readonly kind = Identity.kind;
  readonly config: { readonly dModel: number };
  readonly capabilities: LayerCapabilities = { state: 'constant', causal: true, runtime: false };
  readonly parameters = {};

  constructor(config: { dModel: number }) {
    if (!Number.isSafeInteger(config.dModel) || config.dModel < 1) throw new ConfigError(`Identity: dModel is ${config.dModel}, expected a whole number of at least 1.`);
    this.config = { dModel: config.dModel };
  }

  get dModel(): number { return this.config.dModel; }
  get outputSize(): number { return this.config.dModel; }

  apply(x: Tensor, options: ApplyOptions<IdentityState> = {}): SequenceResult<IdentityState> {
    if (options.state !== undefined) checkState('Identity.apply', {}, options.state);
    return { output: tf.clone(x), state: {} };
  }

  step(x: Tensor, state: IdentityState): SequenceResult<IdentityState> {
    checkState('Identity.step', {}, state);
    return { output: tf.clone(x), state: {} };
  }

  initialState(): IdentityState { return {}; }
  stateSpec(): StateSpec { return {}; }
  dispose(): void {}
  [Symbol.dispose](): void {}
}
