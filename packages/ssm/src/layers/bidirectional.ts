import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError, ShapeError, StateError } from '../errors/index.ts';
import { controlBytes } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { disposeParameters } from './parameters.ts';
import type { ParameterTree } from './parameters.ts';
import type { ApplyOptions, LayerCapabilities, SequenceLayer, SequenceResult } from './sequence-layer.ts';
import { sequenceOptions } from './sequence-layer.ts';
import { checkState } from './state.ts';
import type { State, StateSpec } from './state.ts';

export type BidirectionalMode = 'concatenate' | 'add' | 'reverse-complement';

/**
 * A sequence read both ways: y = f(x) and r(b(r(x))), r = reversal in time, concatenated along the channels or added. `reverse-complement` uses one layer for both, with r reversing
 * the channels too: for DNA with channels in complementary order.
 *
 * @remarks No state, so no law; instead it promises: (1) with f and b exchanged, y(r(x)) = r(y(x)) (channel halves exchanged when concatenated); (2) `reverse-complement`:
 * y(r(x)) = r(y(x)) exactly; (3) masked and padded steps change nothing, packed segments do not see each other. Tested for these.
 * @see Schiff et al. 2024 (Caduceus), arXiv 2403.03234, for the tied form; Zhu et al. 2024 (Vision Mamba), arXiv 2401.09417.
 * @example
 * const layer = new Bidirectional('add', Mamba.create({ dModel: 64 }), Mamba.create({ dModel: 64 }, { seed: 1 }));
 * const { output } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64]
 */
export class Bidirectional implements SequenceLayer<State> {
  static readonly kind = 'bidirectional';
  readonly kind = Bidirectional.kind;
  readonly mode: BidirectionalMode;
  readonly config: { readonly dModel: number; readonly mode: BidirectionalMode; readonly forward: object; readonly backward: object | null };
  readonly capabilities: LayerCapabilities = { state: 'none', causal: false, runtime: false };
  readonly forward: SequenceLayer;
  readonly backward: SequenceLayer;

  /** @param backward - Of the same widths as `forward`; left out with `reverse-complement`. The wrapper owns both. */
  constructor(mode: BidirectionalMode, forward: SequenceLayer, backward?: SequenceLayer) {
    if (!['concatenate', 'add', 'reverse-complement'].includes(mode)) throw new ConfigError(`bidirectional: mode is '${String(mode)}', expected 'concatenate', 'add' or 'reverse-complement'.`);
    if ((mode === 'reverse-complement') === (backward !== undefined)) throw new ConfigError(`bidirectional: mode is '${mode}' and ${backward ? 'a' : 'no'} backward layer was given, expected ${backward ? 'none: the one layer reads both ways' : 'one'}.`);
    if (backward && (backward.dModel !== forward.dModel || backward.outputSize !== forward.outputSize)) throw new ConfigError(`bidirectional: the layers map ${forward.dModel} to ${forward.outputSize} and ${backward.dModel} to ${backward.outputSize} channels, expected the same.`);
    this.mode = mode;
    this.forward = forward;
    this.backward = backward ?? forward;
    this.config = { dModel: forward.dModel, mode, forward: forward.config, backward: backward?.config ?? null };
  }

  get dModel(): number { return this.forward.dModel; }
  get outputSize(): number { return this.forward.outputSize * (this.mode === 'concatenate' ? 2 : 1); }
  get parameters(): ParameterTree {
    return this.mode === 'reverse-complement' ? { forward: this.forward.parameters } : { forward: this.forward.parameters, backward: this.backward.parameters };
  }

  apply(x: Tensor, options: ApplyOptions<State> = {}): SequenceResult<State> {
    if (x.rank !== 3 || x.shape[2] !== this.dModel) throw new ShapeError(`bidirectional.apply: x has shape [${x.shape}], expected [B, L, ${this.dModel}].`);
    if (options.state !== undefined) checkState('bidirectional.apply', {}, options.state);
    if (options.previousSegments) throw new ConfigError('bidirectional.apply: previousSegments was given, but this layer has no state to go on from. Give whole sequences.');
    return tf.tidy(() => {
      const axes = this.mode === 'reverse-complement' ? [1, 2] : [1];
      const { training, observe } = options;
      const shared = { ...(training !== undefined && { training }), ...(observe && { observe }) };
      const ahead = this.forward.apply(x, { ...shared, ...sequenceOptions(options) }).output;
      const back = tf.reverse(this.backward.apply(tf.reverse(x, axes), { ...shared, ...reversedOptions(x, options) }).output, axes);
      return { output: this.mode === 'concatenate' ? tf.concat([ahead, back], -1) : tf.add(ahead, back), state: {} };
    });
  }

  step(): SequenceResult<State> {
    throw new StateError('bidirectional.step: this layer reads both ways, so it has no step. Give it the whole sequence with apply(x).');
  }

  initialState(): State { return {}; }
  stateSpec(): StateSpec { return {}; }
  dispose(): void { disposeParameters(this.parameters); }
  [Symbol.dispose](): void { this.dispose(); }
}

/** Mask and segments of the sequence read backwards. */
function reversedOptions(x: Tensor, options: SequenceOptions): SequenceOptions {
  const [batch, length] = x.shape as [number, number];
  const control = controlBytes('bidirectional', batch, length, options);
  if (!control) return {};
  const mask = tf.tensor(Float32Array.from(control, (byte) => (byte & 1 ? 0 : 1)), [batch, length]);
  // A new segment wherever the state is reset on the way forward; its number counts the resets.
  const segments = Int32Array.from(control);
  for (let b = 0; b < batch; b++) {
    for (let t = 0, segment = 0; t < length; t++) {
      if (control[b * length + t]! & 2) segment++;
      segments[b * length + t] = segment;
    }
  }
  return { mask: tf.reverse(mask, 1), segments: tf.reverse(tf.tensor(segments, [batch, length], 'int32'), 1) };
}
