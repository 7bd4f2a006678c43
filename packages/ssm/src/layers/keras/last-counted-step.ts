import type { Tensor, Tensor3D } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';

/**
 * Output of the last step that counts, for each sequence.
 *
 * @param output - [B, L, M].
 * @param mask - [B, L], not 0 where a step counts. Default: every step counts.
 * @returns [B, M]; zeros for a sequence in which no step counts. Call inside `tf.tidy`.
 * @remarks A product with a one-hot row, because its gradient exists on every backend and that of a gather does not.
 */
export function lastCountedStep(output: Tensor, mask?: Tensor): Tensor {
  const [batch, length, width] = output.shape as [number, number, number];
  if (!mask) return tf.reshape(tf.slice(output, [0, length - 1, 0], [batch, 1, width]), [batch, width]);
  const counts = mask.dataSync();
  const chosen = new Float32Array(batch * length);
  for (let row = 0; row < batch; row++) {
    let last = length - 1;
    while (last >= 0 && !counts[row * length + last]) last--;
    if (last >= 0) chosen[row * length + last] = 1;
  }
  return tf.reshape(tf.matMul(tf.tensor(chosen, [batch, 1, length]) as Tensor3D, output as Tensor3D), [batch, width]);
}
