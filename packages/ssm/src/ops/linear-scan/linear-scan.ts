import type { Tensor } from '@tensorflow/tfjs';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { checkFloat, checkShape, sequenceSizes, showShape } from '../common/check-shape.ts';
import { isComplex } from '../common/complex-tensor.ts';
import type { ComplexTensor } from '../common/complex-tensor.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { complexLinearScan, realLinearScan } from './kernel.ts';
import type { LinearScanAttributes } from './kernel.ts';

export interface LinearScanOptions<State extends Tensor | ComplexTensor = Tensor> extends SequenceOptions {
  readonly state?: State | undefined;
  readonly reverse?: boolean | undefined;
}

/** A type and not an interface, so that `tf.tidy` accepts it as a container of tensors. */
export type LinearScanResult<State extends Tensor | ComplexTensor = Tensor> = { readonly output: State; readonly state: State };

const DECAY = 'Pass [E] for a decay that is the same at every step, [B, L, E] for one that varies.';
const partsOf = (name: string, value: Tensor | ComplexTensor): [string, Tensor][] =>
  (isComplex(value) ? [[`${name}.re`, value.re], [`${name}.im`, value.im]] : [[name, value]]);

function checkInputs(a: Tensor | ComplexTensor, b: Tensor | ComplexTensor, options: LinearScanOptions<Tensor | ComplexTensor>): LinearScanAttributes {
  const { state, reverse = false } = options;
  const complex = isComplex(a);
  if (!complex && isComplex(b)) throw new ConfigError('linearScan: b is complex but a is real, expected a complex a. Pass a as { re, im } (im may be zeros).');
  if (state && isComplex(state) !== complex) {
    throw new ConfigError(`linearScan: state is ${complex ? 'real' : 'complex'} but a is ${complex ? 'complex' : 'real'}, expected both of one kind. Pass the state that an earlier call returned.`);
  }
  const [first, ...rest] = partsOf('b', b);
  const [batch, length, channels] = sequenceSizes('linearScan', first![0], first![1], '[B, L, E]');
  for (const [name, tensor] of rest) checkShape('linearScan', name, tensor, [batch, length, channels], '[B, L, E], as b.re');
  const decays = partsOf('a', a);
  const varying = decays[0]![1].shape.length === 3;
  for (const [name, tensor] of decays) {
    checkFloat('linearScan', name, tensor);
    if (tensor.shape.length !== 1 && tensor.shape.length !== 3) throw new ShapeError(`linearScan: ${name} has shape ${showShape(tensor.shape)}, expected [E] or [B, L, E]. ${DECAY}`);
    if (varying) checkShape('linearScan', name, tensor, [batch, length, channels], '[B, L, E], as b', DECAY);
    else checkShape('linearScan', name, tensor, [channels], '[E], E as b', DECAY);
  }
  for (const [name, tensor] of state ? partsOf('state', state) : []) {
    checkShape('linearScan', name, tensor, [batch, channels], '[B, E]', 'Pass the state that an earlier call with the same batch returned.');
  }
  return { batch, length, channels, varying, reverse, control: controlBytes('linearScan', batch, length, options, reverse) };
}

/**
 * Linear scan: x[t] = a[t] * x[t-1] + b[t], element by element over channels, real or complex.
 *
 * @param a - Factor on the state. Shape [E] (the same at every step) or [B, L, E]; `{ re, im }` for the complex form. As a rule |a| <= 1.
 * @param b - What is added at each step. Shape [B, L, E], L >= 1; with complex a also `{ re, im }`.
 * @param options.state - State before the first step of the recurrence. Shape [B, E] (`{ re, im }` with complex a). Default: zeros. Not disposed here.
 * @param options.reverse - Runs from the last step to the first: x[t] = a[t] * x[t+1] + b[t]; the final state is then x[0]. Default: false.
 * @param options.lengths, options.mask, options.segments, options.previousSegments - Which steps count and where the state resets; see
 * `SequenceOptions`. The output of a masked step is 0. With `reverse`, "previous" means later in time.
 * @returns `output` [B, L, E], every x[t], and `state` [B, E] after the last counted step of the recurrence; `{ re, im }` with complex a. The caller disposes both.
 * @throws ShapeError if any shape differs from the ones above; the message names the tensor.
 * @throws ConfigError if a tensor is not float32, or a complex b or state meets a real a.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @throws GradientError if a gradient of its gradient is asked for.
 * @remarks Real: float32, one fused multiply-add a step. Complex: the state is carried in double precision, whatever |a|, and rounded where it comes out.
 * Time O(L E) at the speed of memory, no memory beyond the output; the backward pass recomputes states from a checkpoint every 32 steps. Gradients reach a, b and the state.
 * @see Martin and Cundy 2018, arXiv 1709.04057, equation 1; Smith et al. 2023, arXiv 2208.04933, section 2.2. Official reference: lindermanlab/S5, s5/ssm.py, apply_ssm.
 * @example
 * const { output, state } = linearScan(tf.tensor1d([0.5]), tf.ones([1, 3, 1]));
 * output.arraySync(); // [[[1], [1.5], [1.75]]]
 */
export function linearScan(a: Tensor, b: Tensor, options?: LinearScanOptions): LinearScanResult;
export function linearScan(a: ComplexTensor, b: Tensor | ComplexTensor, options?: LinearScanOptions<ComplexTensor>): LinearScanResult<ComplexTensor>;
export function linearScan(
  a: Tensor | ComplexTensor, b: Tensor | ComplexTensor, options: LinearScanOptions<Tensor | ComplexTensor> = {},
): LinearScanResult<Tensor | ComplexTensor> {
  const attributes = checkInputs(a, b, options);
  const { state } = options;
  if (!isComplex(a)) {
    const [output, last] = realLinearScan.run({ b: b as Tensor, a, state: state as Tensor | undefined }, attributes);
    return { output: output!, state: last! };
  }
  const start = state as ComplexTensor | undefined;
  const [re, im, lastRe, lastIm] = complexLinearScan.run({
    bRe: isComplex(b) ? b.re : b, bIm: isComplex(b) ? b.im : undefined, aRe: a.re, aIm: a.im, stateRe: start?.re, stateIm: start?.im,
  }, attributes);
  return { output: { re: re!, im: im! }, state: { re: lastRe!, im: lastIm! } };
}
