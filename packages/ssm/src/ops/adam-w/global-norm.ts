import type { Tensor } from '@tensorflow/tfjs';
import { requireKernelTarget } from '../../backend/kernel-registry.ts';
import { tensorAccess } from '../../backend/tensor-access.ts';
import { tf } from '../../backend/tensorflow.ts';
import { checkFloat } from '../common/check-shape.ts';

/**
 * Euclidean norm over all elements of all tensors together: sqrt(sum of squares). Accumulated in double precision in a fixed order.
 *
 * @param tensors - Any shapes, float32.
 * @returns A number; NaN or Infinity where a tensor holds such a value.
 * @throws ConfigError if a tensor is not float32. BackendError if `useBackend` was not called for the active backend.
 * @remarks Not differentiable. One pass over the values.
 * @example
 * globalNorm([tf.tensor([3]), tf.tensor([[4]])]); // 5
 */
export function globalNorm(tensors: readonly Tensor[]): number {
  const backendName = tf.getBackend();
  const target = requireKernelTarget(backendName);
  const access = tensorAccess(backendName, tf.backend());
  let total = 0;
  for (const tensor of tensors) {
    checkFloat('globalNorm', 'a tensor', tensor);
    if (tensor.size === 0) continue;
    const sum = new Float64Array(1);
    target.run({ kernel: 'sumOfSquares', inputs: [access.read(tensor)], outputs: [sum], integers: [tensor.size] });
    total += sum[0]!;
  }
  return Math.sqrt(total);
}
