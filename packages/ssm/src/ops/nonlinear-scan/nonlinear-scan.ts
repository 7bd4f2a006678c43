import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { checkRank, checkShape, sequenceSizes, showShape } from '../common/check-shape.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { recurrence } from './kernel.ts';

/** Hidden state [B, E]; an LSTM has a cell [B, E] too. */
export type NonlinearState = { readonly hidden: Tensor; readonly cell?: Tensor };

export interface NonlinearScanStepOptions {
  readonly kind: 'lstm' | 'gru';
  readonly recurrentBias?: Tensor | undefined;
}

export interface NonlinearScanOptions extends NonlinearScanStepOptions, SequenceOptions {
  readonly state?: { readonly hidden: Tensor; readonly cell?: Tensor | undefined } | undefined;
}

export type NonlinearScanResult = { readonly output: Tensor; readonly state: NonlinearState };

/**
 * LSTM or GRU over a sequence, with a block-diagonal recurrent matrix. With g = x[t] + h[t-1] R + recurrentBias:
 * LSTM (gates i, f, g, o): c = sigmoid(f) c + sigmoid(i) tanh(g); h = sigmoid(o) tanh(c).
 * GRU (gates r, z, n): h = (1 - z) n + z h; n = tanh(x_n + sigmoid(r) * (h R_n + b_n)), z through a sigmoid too.
 *
 * @param x - Input part of the gates (the input times its matrix, plus its bias). Shape [B, L, K*E], gate axis [K, E]; K = 4 for an LSTM, 3 for a GRU.
 * @param recurrent - Recurrent weights, one block for each head. Shape [H, P, K*P], E = H * P; H = 1 is the ordinary dense cell.
 * @param options.kind - 'lstm' or 'gru'.
 * @param options.recurrentBias - Shape [K*E]. Default: none.
 * @param options.state - `hidden` [B, E] and, for an LSTM, `cell` [B, E] before the first step. Default: zeros. Not disposed here.
 * @param options.lengths, options.mask, options.segments, options.previousSegments - See `SequenceOptions`. The output of a masked step is 0.
 * @returns `output` [B, L, E], the hidden states, and `state` after the last step. The caller disposes all of them.
 * @throws ShapeError if any shape differs from the ones above; the message names the tensor.
 * @throws ConfigError if a tensor is not float32, the kind is unknown, or a GRU is given a cell.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @throws GradientError if a gradient of its gradient is asked for.
 * @remarks Time O(L E P). Gradients by back-propagation through time over the whole sequence, to every tensor given.
 * @see Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000; Cho et al. 2014, arXiv 1406.1078, in the form of torch.nn.GRU.
 * @example
 * const { output } = nonlinearScan(tf.zeros([1, 2, 4]), tf.zeros([1, 1, 4]), { kind: 'lstm', state: { hidden: tf.zeros([1, 1]), cell: tf.ones([1, 1]) } });
 * output.arraySync(); // [[[0.2310...], [0.1224...]]]
 */
export function nonlinearScan(x: Tensor, recurrent: Tensor, options: NonlinearScanOptions): NonlinearScanResult {
  const { kind, recurrentBias, state } = options;
  if (kind !== 'lstm' && kind !== 'gru') throw new ConfigError(`nonlinearScan: kind is '${String(kind)}', expected 'lstm' or 'gru'. Set options.kind.`);
  const gates = kind === 'lstm' ? 4 : 3;
  const [batch, length, width] = sequenceSizes('nonlinearScan', 'x', x, '[B, L, K*E]');
  if (width % gates !== 0) {
    throw new ShapeError(`nonlinearScan: x has shape ${showShape(x.shape)}, expected a last axis that ${gates} (the gates of a ${kind}) divides ([B, L, K*E]). Project the input to all gates first.`);
  }
  const channels = width / gates;
  const BLOCKS = 'Give one block for each head; a single head of width E is the dense cell.';
  checkRank('nonlinearScan', 'recurrent', recurrent, 3, '[H, P, K*P]', BLOCKS);
  const [heads, headWidth] = recurrent.shape as [number, number, number];
  if (heads * headWidth !== channels) {
    throw new ShapeError(`nonlinearScan: recurrent has shape ${showShape(recurrent.shape)}, so H * P = ${heads * headWidth}, expected ${channels} (E, from x). ${BLOCKS}`);
  }
  checkShape('nonlinearScan', 'recurrent', recurrent, [heads, headWidth, gates * headWidth], '[H, P, K*P]', BLOCKS);
  if (recurrentBias) checkShape('nonlinearScan', 'recurrentBias', recurrentBias, [width], '[K*E], as the last axis of x', 'Give one bias for each gate of each channel.');
  const STATE = 'Pass the state that an earlier call with the same batch returned.';
  if (state) checkShape('nonlinearScan', 'state.hidden', state.hidden, [batch, channels], '[B, E]', STATE);
  if (state?.cell) {
    if (kind === 'gru') throw new ConfigError('nonlinearScan: a GRU was given state.cell, expected state.hidden alone. Leave the cell out.');
    checkShape('nonlinearScan', 'state.cell', state.cell, [batch, channels], '[B, E]', STATE);
  }
  const [output, hidden, cell] = recurrence.run({ x, recurrent, recurrentBias, hidden: state?.hidden, cell: state?.cell }, {
    batch, length, heads, headWidth, kind, control: controlBytes('nonlinearScan', batch, length, options),
  });
  return { output: output!, state: { hidden: hidden!, ...(cell ? { cell } : {}) } };
}

/**
 * One step of `nonlinearScan`, for streaming. The same kernel as the whole sequence with L = 1.
 *
 * @param state - `hidden` [B, E] and, for an LSTM, `cell` [B, E]. Not disposed here.
 * @param x - Input part of the gates at this step. Shape [B, K*E].
 * @param recurrent - Shape [H, P, K*P].
 * @param options - `kind` and `recurrentBias` as in `nonlinearScan`.
 * @returns `output` [B, E] and the next `state`. The caller disposes all of them.
 * @throws ShapeError, ConfigError, BackendError as `nonlinearScan`.
 * @example
 * nonlinearScanStep({ hidden: tf.ones([1, 1]) }, tf.zeros([1, 3]), tf.zeros([1, 1, 3]), { kind: 'gru' }).output.arraySync(); // [[0.5]]
 */
export function nonlinearScanStep(
  state: { readonly hidden: Tensor; readonly cell?: Tensor | undefined }, x: Tensor, recurrent: Tensor, options: NonlinearScanStepOptions,
): NonlinearScanResult {
  checkRank('nonlinearScanStep', 'x', x, 2, '[B, K*E]', 'Pass one step of each sequence, without the L axis.');
  return tf.tidy(() => {
    const result = nonlinearScan(tf.expandDims(x, 1), recurrent, { ...options, state });
    return { output: tf.squeeze(result.output, [1]), state: result.state };
  });
}
