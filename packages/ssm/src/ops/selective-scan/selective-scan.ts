import type { Tensor } from '@tensorflow/tfjs';
import { ConfigError } from '../../errors/index.ts';
import { isComplex } from '../common/complex-tensor.ts';
import type { ComplexTensor } from '../common/complex-tensor.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { checkScanInputs } from './check-inputs.ts';
import { complexScan, realScan } from './kernel.ts';
import type { ScanAttributes } from './kernel.ts';

export interface SelectiveScanOptions<State extends Tensor | ComplexTensor = Tensor> extends SequenceOptions {
  readonly D?: Tensor | undefined;
  readonly z?: Tensor | undefined;
  readonly deltaBias?: Tensor | undefined;
  readonly deltaSoftplus?: boolean | undefined;
  readonly state?: State | undefined;
  readonly returnStates?: 'last' | 'chunk' | 'all' | undefined;
  readonly chunkLength?: number | undefined;
}

/** A type and not an interface, so that `tf.tidy` accepts it as a container of tensors. */
export type SelectiveScanResult<State extends Tensor | ComplexTensor = Tensor> = {
  readonly output: Tensor;
  readonly state: State;
  /** Only with `returnStates` 'chunk' or 'all'. */
  readonly states?: State;
};

const DEFAULT_CHUNK_LENGTH = 64;

function stateInterval(options: SelectiveScanOptions<Tensor | ComplexTensor>): number {
  const { returnStates = 'last', chunkLength = DEFAULT_CHUNK_LENGTH } = options;
  if (!Number.isInteger(chunkLength) || chunkLength < 1) {
    throw new ConfigError(`selectiveScan: chunkLength is ${chunkLength}, expected an integer of at least 1 (steps). Leave it out for ${DEFAULT_CHUNK_LENGTH}.`);
  }
  if (returnStates === 'last') return 0;
  if (returnStates === 'chunk') return chunkLength;
  if (returnStates === 'all') return 1;
  throw new ConfigError(`selectiveScan: returnStates is '${String(returnStates)}', expected 'last', 'chunk' or 'all'. Leave it out for 'last'.`);
}

/**
 * Selective scan: h[t] = exp(dt[t] A) h[t-1] + dt[t] B[t] u[t];  y[t] = (C[t] . h[t] + D u[t]) * silu(z[t]);  dt = softplus?(delta + deltaBias).
 * With complex A, y[t] = (2 Re(C[t] . h[t]) + D u[t]) * silu(z[t]).
 *
 * @param u - Input sequence. Shape [B, L, E], L >= 1.
 * @param delta - Step sizes in units of one step, raw where `deltaSoftplus` or `deltaBias` make the final ones. Shape [B, L, E].
 * @param A - Continuous-time decay, as a rule with negative real part. Shape [E, N]; `{ re, im }` for the complex form.
 * @param B - Input coefficients. Shape [E, N] (constant), [B, L, N], or [B, L, G, N] (channel e reads group floor(e / (E / G))). With complex A also `{ re, im }`.
 * @param C - Output coefficients, shapes as B.
 * @param options.D - Direct path from input to output. Shape [E]. Default: none.
 * @param options.z - Gate; the output is multiplied by silu(z). Shape [B, L, E]. Default: none.
 * @param options.deltaBias - Added to delta before the softplus. Shape [E]. Default: none.
 * @param options.deltaSoftplus - Whether delta (with its bias) goes through softplus. Default: false.
 * @param options.state - State before the first step. Shape [B, E, N] (`{ re, im }` with complex A). Default: zeros. Not disposed here.
 * @param options.returnStates - 'last': only the final state; 'chunk': also the state after every `chunkLength` steps and the last one; 'all': after every step. Default: 'last'.
 * @param options.chunkLength - Steps between returned states, at least 1. Default: 64.
 * @param options.lengths, options.mask, options.segments, options.previousSegments - Which steps count and where the state resets; see `SequenceOptions`. The output of a masked step is 0.
 * @returns `output` [B, L, E], `state` [B, E, N] after the last step, and `states` [B, ceil(L / q), E, N] where asked for. The caller disposes all of them.
 * @throws ShapeError if any shape differs from the ones above; the message names the tensor.
 * @throws ConfigError if a tensor is not float32, a complex one meets a real A, or an option has no such value.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @throws GradientError if a gradient of its gradient is asked for.
 * @remarks Float32 arithmetic. Time O(L E N); memory O(E N) beyond the output. The backward pass recomputes states from chunk checkpoints,
 * so that it holds O(L/Q E N). Gradients reach every tensor given, the initial state too, and come from output, state and states.
 * @see Gu and Dao 2023, arXiv 2312.00752, Algorithm 2. Official reference: state-spaces/mamba, selective_scan_ref.
 * @example
 * const { output, state } = selectiveScan(tf.ones([1, 3, 1]), tf.ones([1, 3, 1]), tf.fill([1, 1], -Math.LN2), tf.ones([1, 1]), tf.ones([1, 1]));
 * output.arraySync(); // [[[1], [1.5], [1.75]]]
 */
export function selectiveScan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, options?: SelectiveScanOptions): SelectiveScanResult;
export function selectiveScan(
  u: Tensor, delta: Tensor, A: ComplexTensor, B: Tensor | ComplexTensor, C: Tensor | ComplexTensor, options?: SelectiveScanOptions<ComplexTensor>,
): SelectiveScanResult<ComplexTensor>;
export function selectiveScan(
  u: Tensor, delta: Tensor, A: Tensor | ComplexTensor, B: Tensor | ComplexTensor, C: Tensor | ComplexTensor,
  options: SelectiveScanOptions<Tensor | ComplexTensor> = {},
): SelectiveScanResult<Tensor | ComplexTensor> {
  const { D, z, deltaBias, state } = options;
  const stateEvery = stateInterval(options);
  const sizes = checkScanInputs('selectiveScan', { u, delta, A, B, C, D, z, deltaBias, state });
  const attributes: ScanAttributes = {
    ...sizes, softplus: options.deltaSoftplus ?? false, stateEvery,
    control: controlBytes('selectiveScan', sizes.batch, sizes.length, options),
  };
  if (isComplex(A)) return complexForm(u, delta, A, B, C, options, attributes);
  const [output, last, states] = realScan.run({ u, delta, A, B: B as Tensor, C: C as Tensor, D, z, deltaBias, state: state as Tensor | undefined }, attributes);
  return { output: output!, state: last!, ...(states ? { states } : {}) };
}

function complexForm(
  u: Tensor, delta: Tensor, A: ComplexTensor, B: Tensor | ComplexTensor, C: Tensor | ComplexTensor,
  options: SelectiveScanOptions<Tensor | ComplexTensor>, attributes: ScanAttributes,
): SelectiveScanResult<ComplexTensor> {
  const { D, z, deltaBias } = options;
  const state = options.state as ComplexTensor | undefined;
  const [output, re, im, statesRe, statesIm] = complexScan.run({
    u, delta, ARe: A.re, AIm: A.im,
    BRe: isComplex(B) ? B.re : B, BIm: isComplex(B) ? B.im : undefined,
    CRe: isComplex(C) ? C.re : C, CIm: isComplex(C) ? C.im : undefined,
    D, z, deltaBias, stateRe: state?.re, stateIm: state?.im,
  }, attributes);
  return { output: output!, state: { re: re!, im: im! }, ...(statesRe && statesIm ? { states: { re: statesRe, im: statesIm } } : {}) };
}
