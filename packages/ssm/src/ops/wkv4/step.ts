import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { checkRank } from '../common/check-shape.ts';
import { wkv4 } from './wkv4.ts';
import type { Wkv4Result, Wkv4State } from './wkv4.ts';

/**
 * One step of `wkv4`, for streaming. The same kernel as the whole sequence with L = 1.
 *
 * @param state - State before this step. Not disposed here.
 * @param k, v - Shape [B, E].
 * @param decay, bonus - Shape [E].
 * @returns `output` [B, E] and the next `state`. The caller disposes all of them.
 * @throws ShapeError, ConfigError, BackendError as `wkv4`.
 * @example
 * const zero = tf.zeros([1, 1]);
 * wkv4Step({ numerator: zero, denominator: zero, maximum: zero }, zero, tf.ones([1, 1]), tf.tensor1d([-1]), tf.tensor1d([0])).output.dataSync(); // [1]
 */
export function wkv4Step(state: Wkv4State, k: Tensor, v: Tensor, decay: Tensor, bonus: Tensor): Wkv4Result {
  for (const [name, tensor] of Object.entries({ k, v })) checkRank('wkv4Step', name, tensor, 2, '[B, E]', 'Pass one step of each sequence, without the L axis.');
  return tf.tidy(() => {
    const result = wkv4(tf.expandDims(k, 1), tf.expandDims(v, 1), decay, bonus, { state });
    return { output: tf.squeeze(result.output, [1]), state: result.state };
  });
}
