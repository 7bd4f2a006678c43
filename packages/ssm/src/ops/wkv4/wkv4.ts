import type { Tensor } from '@tensorflow/tfjs';
import { checkShape, sequenceSizes } from '../common/check-shape.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { weightedMean } from './kernel.ts';

/** `numerator`, `denominator`, `maximum` [B, E]: the sums times exp(-maximum). A denominator of 0 or below says that nothing was seen: zeros are the start. */
export type Wkv4State = { readonly numerator: Tensor; readonly denominator: Tensor; readonly maximum: Tensor };

export interface Wkv4Options extends SequenceOptions {
  readonly state?: Wkv4State | undefined;
}

export type Wkv4Result = { readonly output: Tensor; readonly state: Wkv4State };

/**
 * RWKV-4's attention without queries, a decaying weighted mean per channel:
 * output[t] = (sum over i < t of exp((t-1-i) decay + k[i]) v[i] + exp(bonus + k[t]) v[t]) / (the same sum without v).
 *
 * @param k - Keys, logarithms of weights. Shape [B, L, E].
 * @param v - Values. Shape [B, L, E].
 * @param decay - Logarithm of what a step keeps, negative: -exp(time_decay) of the checkpoints. Shape [E].
 * @param bonus - Added to the key of the step itself: time_first of the checkpoints. Shape [E].
 * @param options.state - State before the first step. Default: zeros, nothing seen. Not disposed here.
 * @param options.lengths, options.mask, options.segments, options.previousSegments - See `SequenceOptions`. The output of a masked step is 0.
 * @returns `output` [B, L, E] and `state` after the last step. The caller disposes all of them.
 * @throws ShapeError if any shape differs from the ones above; the message names the tensor.
 * @throws ConfigError if a tensor is not float32.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @throws GradientError if a gradient of its gradient is asked for.
 * @remarks float32; weights are relative to a running maximum, so no exponential overflows. Time O(L E).
 * @see Peng et al. 2023, arXiv 2305.13048, section 3 and appendix. Official: BlinkDL/ChatRWKV, RWKV_in_150_lines.py, time_mixing.
 * @example
 * const zeros = tf.zeros([1, 2, 1]);
 * wkv4(zeros, tf.tensor([1, 3], [1, 2, 1]), tf.tensor1d([-1]), tf.tensor1d([0])).output.dataSync(); // [1, 2]
 */
export function wkv4(k: Tensor, v: Tensor, decay: Tensor, bonus: Tensor, options: Wkv4Options = {}): Wkv4Result {
  const [batch, length, channels] = sequenceSizes('wkv4', 'k', k, '[B, L, E]');
  const EACH = 'Give one value for each channel of k.';
  checkShape('wkv4', 'v', v, k.shape, '[B, L, E], as k');
  checkShape('wkv4', 'decay', decay, [channels], '[E]', EACH);
  checkShape('wkv4', 'bonus', bonus, [channels], '[E]', EACH);
  const { state } = options;
  for (const name of ['numerator', 'denominator', 'maximum'] as const) {
    if (state) checkShape('wkv4', `state.${name}`, state[name], [batch, channels], '[B, E]', 'Pass the state that an earlier call with the same batch returned.');
  }
  const [output, numerator, denominator, maximum] = weightedMean.run({ k, v, decay, bonus, ...state }, {
    batch, length, channels, control: controlBytes('wkv4', batch, length, options),
  });
  return { output: output!, state: { numerator: numerator!, denominator: denominator!, maximum: maximum! } };
}
