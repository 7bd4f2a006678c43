import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { checkRank } from '../common/check-shape.ts';
import { isComplex } from '../common/complex-tensor.ts';
import type { ComplexTensor } from '../common/complex-tensor.ts';
import { linearScan } from './linear-scan.ts';

/** Puts an L axis of 1 after the batch axis of what varies in time; a constant [E] stays. */
function lift<T extends Tensor | ComplexTensor>(value: T): T {
  const one = (tensor: Tensor): Tensor => (tensor.shape.length === 2 ? tf.expandDims(tensor, 1) : tensor);
  return (isComplex(value) ? { re: one(value.re), im: one(value.im) } : one(value)) as T;
}

/**
 * One step of the linear scan, for streaming: a * state + b. The same kernel as the whole sequence with L = 1, so the same bits.
 *
 * @param state - State before this step. Shape [B, E], `{ re, im }` with complex a. Not disposed here.
 * @param a - Factor. Shape [E] or [B, E]; `{ re, im }` for the complex form.
 * @param b - What is added. Shape [B, E]; with complex a also `{ re, im }`.
 * @returns The next state, which is also the output. Shape [B, E]. The caller disposes it.
 * @throws ShapeError, ConfigError, BackendError as `linearScan`.
 * @remarks Time and memory O(B E), whatever came before. Gradients as in `linearScan`.
 * @example
 * linearScanStep(tf.ones([1, 1]), tf.tensor1d([0.5]), tf.ones([1, 1])).arraySync(); // [[1.5]]
 */
export function linearScanStep(state: Tensor, a: Tensor, b: Tensor): Tensor;
export function linearScanStep(state: ComplexTensor, a: ComplexTensor, b: Tensor | ComplexTensor): ComplexTensor;
export function linearScanStep(state: Tensor | ComplexTensor, a: Tensor | ComplexTensor, b: Tensor | ComplexTensor): Tensor | ComplexTensor {
  const ONE_STEP = 'Pass one step of each sequence, without the L axis.';
  for (const part of isComplex(b) ? [b.re, b.im] : [b]) checkRank('linearScanStep', 'b', part, 2, '[B, E]', ONE_STEP);
  return tf.tidy(() => {
    // The overloads of linearScan tie the kinds of a and state together; here they are already tied.
    const scan = linearScan as (...args: unknown[]) => { state: Tensor | ComplexTensor };
    return scan(lift(a), lift(b), { state }).state;
  });
}
