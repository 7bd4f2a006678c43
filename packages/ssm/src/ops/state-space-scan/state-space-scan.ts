import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { complexZeros } from '../../math/index.ts';
import { checkRank, checkShape, sequenceSizes, showShape } from '../common/check-shape.ts';
import type { ComplexTensor } from '../common/complex-tensor.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import type { Raw, ScanSystem } from '../state-space/system.ts';
import { stateSpace } from './kernel.ts';

/** Outputs of one system at most: the backward kernel holds the slopes of a step on its stack. */
const MAXIMUM_CHANNELS = 16;

export interface StateSpaceOptions extends SequenceOptions {
  /** State before the first step, [B, H, N] each of `re`, `im`. Default: zeros. Not disposed here. */
  readonly state?: ComplexTensor | undefined;
}

export type StateSpaceResult = { readonly output: Tensor; readonly state: ComplexTensor };

/** A time-invariant system, discrete already. */
export interface StateSpaceSystem {
  readonly a: ComplexTensor;
  readonly b: ComplexTensor;
  readonly c: ComplexTensor;
  /** Low-rank part, both or neither. */
  readonly f?: ComplexTensor | undefined;
  readonly g?: ComplexTensor | undefined;
}

interface SystemSizes { readonly heads: number; readonly modes: number; readonly channels: number; readonly rank: number }

/** Runs a system that `prepare` makes of parameter tensors in float64. Shared by the forms that come from S4, S4D, DSS and LSSL parameters. */
export function runStateSpace(
  operation: string, u: Tensor, parameters: Readonly<Record<string, Tensor | undefined>>, sizes: SystemSizes, prepare: (raw: Raw) => ScanSystem, options: StateSpaceOptions,
): StateSpaceResult {
  const [batch, length, heads] = sequenceSizes(operation, 'u', u, '[B, L, H]');
  const { modes, channels } = sizes;
  if (heads !== sizes.heads) throw new ShapeError(`${operation}: u has shape ${showShape(u.shape)}, expected a last axis of ${sizes.heads} (H, as the parameters). If your data is channels first, transpose it.`);
  if (channels > MAXIMUM_CHANNELS) throw new ConfigError(`${operation}: the system has ${channels} outputs for each channel, expected at most ${MAXIMUM_CHANNELS}. Split them over several calls.`);
  const { state } = options;
  if (state) for (const part of ['re', 'im'] as const) checkShape(operation, `state.${part}`, state[part], [batch, heads, modes], '[B, H, N]', 'Pass the state that an earlier call with the same batch returned.');
  const [y, re, im] = stateSpace.run({ ...parameters, u, stateRe: state?.re, stateIm: state?.im }, {
    batch, length, ...sizes, control: controlBytes(operation, batch, length, options), prepare,
  });
  return { output: y!, state: { re: re!, im: im! } };
}

/**
 * Time-invariant state space scan, diagonal plus low rank: x[t] = a x[t-1] + sum over r of g_r Re(f_r . x[t-1]) + b u[t];  y_c[t] = Re(c_c . x[t]).
 *
 * @param u - Input sequence. Shape [B, L, H], L >= 1.
 * @param system.a - Factor of each mode and step. Shape [H, N] each of `re`, `im`; |a| <= 1 for a stable one.
 * @param system.b - Input vector. Shape [H, N] each.
 * @param system.c - Output vectors; twice the vector for one of each conjugate pair. Shape [C, H, N] each.
 * @param system.f, system.g - Low-rank part. Shape [R, H, N] each. Default: none, a diagonal system. With R = N any dense real matrix.
 * @param options.state - State before the first step. Shape [B, H, N] each. Default: zeros.
 * @param options.lengths, options.mask, options.segments, options.previousSegments - See `SequenceOptions`. The output of a masked step is 0.
 * @returns `output` [B, L, C, H] and `state` after the last step. The caller disposes all of them.
 * @throws ShapeError if any shape differs from the ones above; the message names the tensor.
 * @throws ConfigError if a tensor is not float32 or there are more than 16 outputs.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @throws GradientError if a gradient of its gradient is asked for.
 * @remarks Double precision inside, float32 outside. Time O(B L H N (C + R)); the backward pass recomputes states from checkpoints about every sqrt(L) steps. Gradients
 * reach every tensor given. `s4dScan`, `s4Scan` and `dssScan` run the systems of those models from their parameters, without rounding a to float32.
 * @see Gu, Goel and Re 2021, arXiv 2111.00396, equation 3. Official reference: state-spaces/s4, SSMKernelDiag.step, SSMKernelDPLR._step_state_linear.
 * @example
 * const number = (value, ...shape) => ({ re: tf.fill(shape, value), im: tf.zeros(shape) });
 * stateSpaceScan(tf.ones([1, 3, 1]), { a: number(0.5, 1, 1), b: number(1, 1, 1), c: number(1, 1, 1, 1) }).output.flatten().arraySync(); // [1, 1.5, 1.75]
 */
export function stateSpaceScan(u: Tensor, system: StateSpaceSystem, options: StateSpaceOptions = {}): StateSpaceResult {
  const { a, b, c, f, g } = system;
  checkRank('stateSpaceScan', 'a.re', a.re, 2, '[H, N]', 'Give one row of modes for each channel of u.');
  checkRank('stateSpaceScan', 'c.re', c.re, 3, '[C, H, N]', 'Add an axis of 1 for a single output.');
  const [heads, modes] = a.re.shape as [number, number], channels = c.re.shape[0]!, rank = f?.re.shape[0] ?? 0;
  if ((f === undefined) !== (g === undefined)) throw new ConfigError(`stateSpaceScan: ${f ? 'f' : 'g'} was given alone, expected f and g or neither. Give both sides of the low-rank part.`);
  const tensors: Record<string, Tensor> = {};
  for (const [name, value, shape, letters] of [
    ['a', a, [heads, modes], '[H, N]'], ['b', b, [heads, modes], '[H, N], as a'], ['c', c, [channels, heads, modes], '[C, H, N]'],
    ['f', f, [rank, heads, modes], '[R, H, N]'], ['g', g, [rank, heads, modes], '[R, H, N], as f'],
  ] as const) {
    for (const part of ['re', 'im'] as const) {
      if (!value) continue;
      checkShape('stateSpaceScan', `${name}.${part}`, value[part], shape, letters, 'Give one row of modes for each channel of u.');
      tensors[`${name}${part}`] = value[part];
    }
  }
  return runStateSpace('stateSpaceScan', u, tensors, { heads, modes, channels, rank }, (raw) => {
    const pair = (name: string) => (raw[`${name}re`] ? { re: raw[`${name}re`], im: raw[`${name}im`] } : complexZeros(0));
    return {
      a: pair('a'), b: pair('b'), c: pair('c'), f: pair('f'), g: pair('g'),
      pullback: (slopes) => Object.fromEntries(Object.entries(slopes).flatMap(([name, { re, im }]) => [[`${name}re`, re], [`${name}im`, im]])),
    };
  }, options);
}

/**
 * One step of the time-invariant scan, for streaming. The same kernel as the whole sequence with L = 1.
 *
 * @param state - State before this step. Shape [B, H, N] each of `re`, `im`. Not disposed here.
 * @param u - Input of this step. Shape [B, H].
 * @param system - As in `stateSpaceScan`.
 * @returns `output` [B, C, H] and the next `state`. The caller disposes all of them.
 * @throws ShapeError, ConfigError, BackendError as `stateSpaceScan`.
 */
export function stateSpaceScanStep(state: ComplexTensor, u: Tensor, system: StateSpaceSystem): StateSpaceResult {
  checkRank('stateSpaceScanStep', 'u', u, 2, '[B, H]', 'Pass one step of each sequence, without the L axis.');
  return tf.tidy(() => {
    const result = stateSpaceScan(tf.expandDims(u, 1), system, { state });
    return { output: tf.squeeze(result.output, [1]), state: result.state };
  });
}
