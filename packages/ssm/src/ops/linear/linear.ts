import type { Tensor, Tensor2D } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { ShapeError } from '../../errors/index.ts';
import { checkFloat, checkRank, checkShape, showShape } from '../common/check-shape.ts';
import { affineMap } from './kernel.ts';

/**
 * Affine map of the last axis: y = x weight^T + bias, as one matrix product over all rows.
 *
 * @param x - Shape [..., D].
 * @param weight - Shape [M, D], outputs first, as the published checkpoints keep it.
 * @param bias - Shape [M]. Default: none.
 * @returns Shape [..., M]. The caller disposes it.
 * @throws ShapeError if any shape differs from the ones above; ConfigError if a tensor is not float32.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @throws GradientError if a gradient of its gradient is asked for (not on tensorflow).
 * @remarks Time O(D M) a row. On cpu and wasm the compiled blocked product: every output is one sum along D in one order for any number of
 * rows, so a step, a sequence and a batch give the same bits. On tensorflow its own matMul, because its numbers would have to be copied.
 * @example
 * linear(tf.tensor([[[1, 2]]]), tf.tensor([[1, 10]]), tf.tensor([100])).arraySync(); // [[[121]]]
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  checkFloat('linear', 'x', x);
  checkRank('linear', 'weight', weight, 2, '[M, D]', 'Transpose a weight of shape [D, M].');
  const width = x.shape.at(-1);
  const [outer, inner] = weight.shape as [number, number];
  if (width === undefined || width !== inner) {
    throw new ShapeError(`linear: x has shape ${showShape(x.shape)}, expected a last axis of ${inner} ([..., D], D from weight ${showShape(weight.shape)}). Transpose the weight if it is [D, M].`);
  }
  if (bias) checkShape('linear', 'bias', bias, [outer], '[M], M from weight', 'Give one bias for each output channel.');
  if (tf.getBackend() !== 'tensorflow') return affineMap.run({ x, weight, bias }, { rows: x.size / inner, inner, outer })[0]!;
  return tf.tidy(() => {
    const rows = tf.reshape(x, [x.size / inner, inner]) as Tensor2D;
    const product = tf.matMul(rows, weight as Tensor2D, false, true);
    return tf.reshape(bias ? tf.add(product, bias) : product, [...x.shape.slice(0, -1), outer]);
  });
}
