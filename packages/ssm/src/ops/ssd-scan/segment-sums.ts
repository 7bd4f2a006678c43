import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { checkFloat } from '../common/check-shape.ts';

/**
 * Sums over segments of the last axis: out[i, j] = x[j+1] + ... + x[i] for j <= i, -infinity above the diagonal. With x the logarithms of decays,
 * exp(out) is the 1-semiseparable mask of the SSD scan written as one matrix: y = (exp(out) * (C B^T)) x.
 *
 * @param x - Shape [..., L].
 * @returns Shape [..., L, L]. The caller disposes it.
 * @throws ConfigError if x is not float32.
 * @remarks Sums the segment's own elements and not differences of running sums, so nothing cancels. Time and memory O(L^2): for study and short sequences.
 * @see Dao and Gu 2024, arXiv 2405.21060, listing 1. Official: state-spaces/mamba, ssd_minimal.py, segsum.
 * @example
 * tf.exp(segmentSums(tf.tensor1d([5, 1, 2]))).arraySync(); // [[1, 0, 0], [2.718, 1, 0], [20.08, 7.38, 1]]
 */
export function segmentSums(x: Tensor): Tensor {
  checkFloat('segmentSums', 'x', x);
  const length = x.shape.at(-1) ?? 1;
  const leading = x.shape.slice(0, -1);
  return tf.tidy(() => {
    const row = tf.range(0, length, 1, 'int32');
    const column = tf.expandDims(row, 1);
    // [..., j, i]: x[i] where i > j. The running sum along i is that of the segment.
    const counted = tf.where(tf.broadcastTo(tf.greater(row, column), [...leading, length, length]), tf.tile(tf.expandDims(x, -2), [...leading.map(() => 1), length, 1]), tf.zeros([...leading, length, length]));
    const sums = tf.cumsum(counted, -1);
    const order = [...leading.map((_, axis) => axis), leading.length + 1, leading.length];
    const below = tf.broadcastTo(tf.lessEqual(row, column), [...leading, length, length]); // [..., i, j]: j <= i
    return tf.where(below, tf.transpose(sums, order), tf.fill([...leading, length, length], -Infinity));
  });
}
