import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { checkRank, checkShape, sequenceSizes, showShape } from '../common/check-shape.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { convolution } from './kernel.ts';

export interface CausalConv1dStepOptions {
  readonly bias?: Tensor | undefined;
  readonly activation?: 'silu' | undefined;
}

export interface CausalConv1dOptions extends CausalConv1dStepOptions, SequenceOptions {
  readonly state?: Tensor | undefined;
}

export type CausalConv1dResult = { readonly output: Tensor; readonly state: Tensor };

/**
 * Short depthwise causal convolution: y[t, e] = act(bias[e] + sum over w of weight[e, w] x[t - W + 1 + w, e]).
 *
 * @param x - Input sequence. Shape [B, L, E], L >= 1.
 * @param weight - One filter for each channel, its last element on the newest step. Shape [E, W], W >= 1.
 * @param options.bias - Shape [E]. Default: none.
 * @param options.activation - 'silu', fused. Default: none.
 * @param options.state - The W - 1 inputs before the first step, oldest first. Shape [B, W-1, E]. Default: zeros. Not disposed here.
 * @param options.lengths, options.mask, options.segments, options.previousSegments - See `SequenceOptions`. A masked step is left out of the window as if it did
 * not exist, its output is 0; a new segment starts with an empty window.
 * @returns `output` [B, L, E] and `state` [B, W-1, E], the last W - 1 counted inputs. The caller disposes both.
 * @throws ShapeError if any shape differs from the ones above; the message names the tensor.
 * @throws ConfigError if a tensor is not float32 or an option has no such value.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @throws GradientError if a gradient of its gradient is asked for.
 * @remarks Float32 arithmetic. Time O(L E W). Gradients reach x, weight, bias and the initial state, and come from output and state.
 * @see Official reference: Dao-AILab/causal-conv1d, causal_conv1d_ref.
 * @example
 * causalConv1d(tf.tensor([[[1], [2], [3]]]), tf.tensor([[10, 1]])).output.arraySync(); // [[[1], [12], [23]]]
 */
export function causalConv1d(x: Tensor, weight: Tensor, options: CausalConv1dOptions = {}): CausalConv1dResult {
  const { bias, activation, state } = options;
  const [batch, length, channels] = sequenceSizes('causalConv1d', 'x', x, '[B, L, E]');
  const width = weight.shape[1] ?? 0;
  checkShape('causalConv1d', 'weight', weight, [channels, width], '[E, W], E as x', 'Give one row of W taps for each channel of x.');
  if (width < 1) throw new ShapeError(`causalConv1d: weight has shape ${showShape(weight.shape)}, expected at least one tap (W >= 1). Give one row of W taps for each channel of x.`);
  if (bias) checkShape('causalConv1d', 'bias', bias, [channels], '[E]', 'Give one bias for each channel of x.');
  if (state) checkShape('causalConv1d', 'state', state, [batch, width - 1, channels], '[B, W-1, E]', 'Pass the state that an earlier call with the same batch returned.');
  if (activation !== undefined && activation !== 'silu') {
    throw new ConfigError(`causalConv1d: activation is '${String(activation)}', expected 'silu' or nothing. Apply another activation to the output.`);
  }
  const [output, tail] = convolution.run({ x, weight, bias, state }, {
    batch, length, channels, width, silu: activation === 'silu', control: controlBytes('causalConv1d', batch, length, options),
  });
  return { output: output!, state: tail! };
}

/**
 * One step of the causal convolution, for streaming. The same kernel as the whole sequence with L = 1.
 *
 * @param state - The W - 1 inputs before this step, oldest first. Shape [B, W-1, E]. Not disposed here.
 * @param x - Input of this step. Shape [B, E].
 * @param weight - Shape [E, W].
 * @param options - `bias` [E] and `activation` as in `causalConv1d`.
 * @returns `output` [B, E] and the next `state` [B, W-1, E]. The caller disposes both.
 * @throws ShapeError, ConfigError, BackendError as `causalConv1d`.
 * @see Official reference: Dao-AILab/causal-conv1d, causal_conv1d_update_ref (its state is W wide and holds the newest input too).
 * @example
 * causalConv1dStep(tf.tensor([[[2]]]), tf.tensor([[3]]), tf.tensor([[10, 1]])).output.arraySync(); // [[23]]
 */
export function causalConv1dStep(state: Tensor, x: Tensor, weight: Tensor, options: CausalConv1dStepOptions = {}): CausalConv1dResult {
  checkRank('causalConv1dStep', 'x', x, 2, '[B, E]', 'Pass one step of each sequence, without the L axis.');
  return tf.tidy(() => {
    const result = causalConv1d(tf.expandDims(x, 1), weight, { ...options, state });
    return { output: tf.squeeze(result.output, [1]), state: result.state };
  });
}
