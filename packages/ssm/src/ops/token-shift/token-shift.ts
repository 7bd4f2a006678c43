import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { causalConv1d } from '../causal-conv1d/index.ts';
import { checkRank, checkShape, sequenceSizes } from '../common/check-shape.ts';
import type { SequenceOptions } from '../common/control.ts';

export interface TokenShiftStepOptions {
  readonly mix?: Tensor | undefined;
}

export interface TokenShiftOptions extends TokenShiftStepOptions, SequenceOptions {
  readonly state?: Tensor | undefined;
}

export type TokenShiftResult = { readonly output: Tensor; readonly state: Tensor };

/**
 * Mixes every step with the one before it: y[t] = mix * x[t] + (1 - mix) * x[t-1]; without mix y[t] = x[t-1].
 *
 * @param x - Input sequence. Shape [B, L, D], L >= 1.
 * @param options.mix - Share of the step itself in each channel. Shape [D]. Default: 0, the step before alone.
 * @param options.state - The last row before the first step. Shape [B, D]. Default: zeros. Not disposed here.
 * @param options.lengths, options.mask, options.segments, options.previousSegments - See `SequenceOptions`. A masked step is skipped as if it did not exist, its
 * output is 0; a new segment starts after a row of zeros.
 * @returns `output` [B, L, D] and `state` [B, D], the last counted row. The caller disposes both.
 * @throws ShapeError if any shape differs from the ones above; the message names the tensor.
 * @throws ConfigError if a tensor is not float32.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @remarks Runs on the kernel of `causalConv1d` with two taps. Time O(L D). Gradients reach x, mix and the state.
 * @see Peng et al. 2023 (RWKV), arXiv 2305.13048, section 3.1. Official: BlinkDL/RWKV-LM, `time_shift`.
 * @example
 * tokenShift(tf.tensor([[[1], [2], [4]]]), { mix: tf.tensor([0.25]), state: tf.tensor([[8]]) }).output.arraySync(); // [[[6.25], [1.25], [2.5]]]
 */
export function tokenShift(x: Tensor, options: TokenShiftOptions = {}): TokenShiftResult {
  const { mix, state, ...sequence } = options;
  const [batch, , channels] = sequenceSizes('tokenShift', 'x', x, '[B, L, D]');
  if (mix) checkShape('tokenShift', 'mix', mix, [channels], '[D], D as x', 'Give one share for each channel of x.');
  if (state) checkShape('tokenShift', 'state', state, [batch, channels], '[B, D]', 'Pass the state that an earlier call with the same batch returned.');
  return tf.tidy(() => {
    const share = mix ?? tf.zeros([channels]);
    const taps = tf.stack([tf.sub(1, share), share], 1); // [D, 2]
    const result = causalConv1d(x, taps, { ...sequence, ...(state && { state: tf.expandDims(state, 1) }) });
    return { output: result.output, state: tf.squeeze(result.state, [1]) };
  });
}

/**
 * One step of `tokenShift`, for streaming.
 *
 * @param state - The row before. Shape [B, D]. Not disposed here.
 * @param x - Input of this step. Shape [B, D].
 * @param options - `mix` [D] as in `tokenShift`.
 * @returns `output` [B, D] and the next `state` [B, D], a copy of x. The caller disposes both.
 * @throws ShapeError, ConfigError, BackendError as `tokenShift`.
 * @example
 * tokenShiftStep(tf.tensor([[8]]), tf.tensor([[4]]), { mix: tf.tensor([0.5]) }).output.arraySync(); // [[6]]
 */
export function tokenShiftStep(state: Tensor, x: Tensor, options: TokenShiftStepOptions = {}): TokenShiftResult {
  checkRank('tokenShiftStep', 'x', x, 2, '[B, D]', 'Pass one step of each sequence, without the L axis.');
  return tf.tidy(() => {
    const result = tokenShift(tf.expandDims(x, 1), { ...options, state });
    return { output: tf.squeeze(result.output, [1]), state: result.state };
  });
}
