import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';

/**
 * x[t] = a[t] x[t-1] + b[t] along axis 1 in log2(L) rounds of whole-tensor ops: what one composes where a loop over time is out of the question.
 */
export function scanByDoubling(a: Tensor, b: Tensor): Tensor {
  const L = a.shape[1]!, rest = a.rank - 2;
  const late = (tensor: Tensor, shift: number): Tensor => {
    const begin = [0, 0, ...Array<number>(rest).fill(0)], size = [...tensor.shape];
    size[1] = L - shift;
    return tf.slice(tensor, begin, size);
  };
  const shifted = (tensor: Tensor, shift: number, fill: number): Tensor => tf.pad(late(tensor, shift), [[0, 0], [shift, 0], ...Array.from({ length: rest }, () => [0, 0])] as [number, number][], fill);
  let decay = a, value = b;
  for (let shift = 1; shift < L; shift *= 2) {
    value = tf.add(value, tf.mul(decay, shifted(value, shift, 0)));
    if (2 * shift < L) decay = tf.mul(decay, shifted(decay, shift, 1));
  }
  return value;
}
