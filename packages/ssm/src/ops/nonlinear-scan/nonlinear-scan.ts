import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { checkRank, checkShape, sequenceSizes, showShape } from '../common/check-shape.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { KINDS, recurrence } from './kernel.ts';
import type { RecurrentKind } from './reference.ts';

export type { RecurrentKind } from './reference.ts';

/** Hidden state [B, E]; an LSTM has a cell [B, E] too, an sLSTM also normaliser and maximum. */
export type NonlinearState = { readonly hidden: Tensor; readonly cell?: Tensor; readonly normaliser?: Tensor; readonly maximum?: Tensor };

type GivenState = { readonly [name in keyof NonlinearState]: Tensor | (name extends 'hidden' ? never : undefined) };

export interface NonlinearScanStepOptions {
  readonly kind: RecurrentKind;
  readonly recurrentBias?: Tensor | undefined;
  readonly asymptote?: Tensor | undefined;
  readonly rate?: Tensor | undefined;
  readonly timeStep?: number | undefined;
  readonly unfolds?: number | undefined;
}

export interface NonlinearScanOptions extends NonlinearScanStepOptions, SequenceOptions {
  readonly state?: GivenState | undefined;
}

export type NonlinearScanResult = { readonly output: Tensor; readonly state: NonlinearState };

/**
 * A recurrence through a nonlinearity, with a block-diagonal recurrent matrix. With g = x[t] + h[t-1] R + recurrentBias:
 * RNN: h = tanh(g).
 * LSTM (gates i, f, g, o): c = sigmoid(f) c + sigmoid(i) tanh(g); h = sigmoid(o) tanh(c).
 * GRU (gates r, z, n): h = (1 - z) n + z h; n = tanh(x_n + sigmoid(r) * (h R_n + b_n)), z through a sigmoid too.
 * sLSTM (gates i, f, z, o): m' = max(i, log sigmoid(f) + m); a = exp(log sigmoid(f) + m - m'), b = exp(i - m'); c = a c + b tanh(z); n = a n + b; h = sigmoid(o) c / n.
 * LTC: `unfolds` times h = (h + dt f A) / (1 + dt (1/tau + f)), f = sigmoid(g), dt = timeStep / unfolds: the semi-implicit (fused) solver.
 *
 * @param x - Input part of the gates (the input times its matrix, plus its bias). Shape [B, L, K*E], gate axis [K, E]; K = 4 (LSTM, sLSTM), 3 (GRU) or 1.
 * @param recurrent - Recurrent weights, one block for each head. Shape [H, P, K*P], E = H * P; H = 1 is the ordinary dense cell.
 * @param options.kind - 'rnn', 'lstm', 'gru', 'slstm' or 'ltc'.
 * @param options.recurrentBias - Shape [K*E]. Default: none.
 * @param options.asymptote, options.rate - LTC only: A, and 1/tau >= 0 in 1 / unit of time. Shape [E] each.
 * @param options.timeStep, options.unfolds - LTC only: length of a step in units of time (default 1) and solver steps in it (default 6).
 * @param options.state - `hidden` [B, E] and, by kind, `cell`, `normaliser`, `maximum` [B, E] before the first step. Default: zeros; a normaliser of 0 says that no
 * step was seen. Not disposed here.
 * @param options.lengths, options.mask, options.segments, options.previousSegments - See `SequenceOptions`. The output of a masked step is 0.
 * @returns `output` [B, L, E], the hidden states, and `state` after the last step. The caller disposes all of them.
 * @throws ShapeError if any shape differs from the ones above; the message names the tensor.
 * @throws ConfigError if a tensor is not float32, the kind is unknown, or an option belongs to another kind.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @throws GradientError if a gradient of its gradient is asked for.
 * @remarks Time O(L E P), for an LTC times `unfolds`. Gradients by back-propagation through time over the whole sequence, to every tensor given; gates are computed again
 * from states kept every 16 steps.
 * @see Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000; Cho et al. 2014, arXiv 1406.1078, in the form of torch.nn.GRU; Beck et al. 2024, arXiv 2405.04517,
 * section 2.2 (NX-AI/xlstm, `slstm_forward_pointwise`); Hasani et al. 2021, arXiv 2006.04439, algorithm 1.
 * @example
 * const { output } = nonlinearScan(tf.zeros([1, 2, 4]), tf.zeros([1, 1, 4]), { kind: 'lstm', state: { hidden: tf.zeros([1, 1]), cell: tf.ones([1, 1]) } });
 * output.arraySync(); // [[[0.2310...], [0.1224...]]]
 */
export function nonlinearScan(x: Tensor, recurrent: Tensor, options: NonlinearScanOptions): NonlinearScanResult {
  const { kind, recurrentBias, state } = options;
  if (!Object.hasOwn(KINDS, kind)) throw new ConfigError(`nonlinearScan: kind is '${String(kind)}', expected one of ${Object.keys(KINDS).map((name) => `'${name}'`).join(', ')}. Set options.kind.`);
  const { gates, more } = KINDS[kind];
  const [batch, length, width] = sequenceSizes('nonlinearScan', 'x', x, '[B, L, K*E]');
  if (width % gates !== 0) {
    throw new ShapeError(`nonlinearScan: x has shape ${showShape(x.shape)}, expected a last axis that ${gates} (the gates of ${kind}) divides ([B, L, K*E]). Project the input to all gates first.`);
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
  for (const [name, tensor] of Object.entries(state ?? {})) {
    if (!tensor) continue;
    if (name !== 'hidden' && !more.includes(name)) {
      throw new ConfigError(`nonlinearScan: state.${name} was given for kind '${kind}', expected ${['hidden', ...more].map((one) => `state.${one}`).join(', ')}. Leave the ${name} out.`);
    }
    checkShape('nonlinearScan', `state.${name}`, tensor, [batch, channels], '[B, E]', 'Pass the state that an earlier call with the same batch returned.');
  }
  const solver = solverOf(options, channels);
  const [output, hidden, ...others] = tf.tidy(() => recurrence.run(
    { x, recurrent, recurrentBias, hidden: state?.hidden, cell: state?.cell, normaliser: state?.normaliser, maximum: state?.maximum, constants: solver.constants?.() },
    { batch, length, heads, headWidth, kind, unfolds: solver.unfolds, timeStep: solver.timeStep, control: controlBytes('nonlinearScan', batch, length, options) },
  ));
  return { output: output!, state: { hidden: hidden!, ...Object.fromEntries(more.map((name, i) => [name, others[i]!])) } };
}

/** Options of an LTC, checked; what other kinds run with. */
function solverOf({ kind, asymptote, rate, timeStep, unfolds }: NonlinearScanOptions, channels: number): { constants?: () => Tensor; unfolds: number; timeStep: number } {
  if (kind !== 'ltc') {
    const [name] = Object.entries({ asymptote, rate, timeStep, unfolds }).find(([, value]) => value !== undefined) ?? [];
    if (name) throw new ConfigError(`nonlinearScan: ${name} was given for kind '${kind}', expected it for 'ltc' alone. Leave it out.`);
    return { unfolds: 1, timeStep: 1 };
  }
  if (!asymptote || !rate) throw new ConfigError(`nonlinearScan: kind 'ltc' was given ${asymptote ? 'no rate' : 'no asymptote'}, expected both, [E] each. Give A and 1/tau of every channel.`);
  for (const [name, tensor] of Object.entries({ asymptote, rate })) checkShape('nonlinearScan', name, tensor, [channels], '[E]', 'Give one number for each channel.');
  const steps = unfolds ?? 6;
  const time = timeStep ?? 1;
  if (!Number.isSafeInteger(steps) || steps < 1) throw new ConfigError(`nonlinearScan: unfolds is ${steps}, expected a whole number of at least 1. Six are the authors' choice.`);
  if (!(time > 0 && Number.isFinite(time))) throw new ConfigError(`nonlinearScan: timeStep is ${time}, expected a positive number. Give the length of a step in the unit of tau.`);
  return { constants: () => tf.stack([asymptote, rate]), unfolds: steps, timeStep: time };
}

/**
 * One step of `nonlinearScan`, for streaming. The same kernel as the whole sequence with L = 1.
 *
 * @param state - `hidden` [B, E] and, by kind, `cell`, `normaliser`, `maximum` [B, E]. Not disposed here.
 * @param x - Input part of the gates at this step. Shape [B, K*E].
 * @param recurrent - Shape [H, P, K*P].
 * @param options - `kind`, `recurrentBias` and the options of an LTC as in `nonlinearScan`.
 * @returns `output` [B, E] and the next `state`. The caller disposes all of them.
 * @throws ShapeError, ConfigError, BackendError as `nonlinearScan`.
 * @example
 * nonlinearScanStep({ hidden: tf.ones([1, 1]) }, tf.zeros([1, 3]), tf.zeros([1, 1, 3]), { kind: 'gru' }).output.arraySync(); // [[0.5]]
 */
export function nonlinearScanStep(state: GivenState, x: Tensor, recurrent: Tensor, options: NonlinearScanStepOptions): NonlinearScanResult {
  checkRank('nonlinearScanStep', 'x', x, 2, '[B, K*E]', 'Pass one step of each sequence, without the L axis.');
  return tf.tidy(() => {
    const result = nonlinearScan(tf.expandDims(x, 1), recurrent, { ...options, state });
    return { output: tf.squeeze(result.output, [1]), state: result.state };
  });
}
