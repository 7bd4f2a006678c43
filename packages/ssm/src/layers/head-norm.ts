import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { joinHeads } from './streaming-layer.ts';

/**
 * Layer norm of each head by itself, then weight and bias of each channel: group norm with a group a head.
 *
 * @param x - [B, L, H, P].
 * @param weight, bias - [H * P].
 * @returns [B, L, H * P].
 */
export function headNorm(x: Tensor, weight: Tensor, bias: Tensor | undefined, epsilon: number): Tensor {
  return tf.tidy(() => {
    const centred = tf.sub(x, tf.mean(x, -1, true));
    const deviation = tf.sqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon));
    const scaled = tf.mul(joinHeads(tf.div(centred, deviation)), weight);
    return bias ? tf.add(scaled, bias) : scaled;
  });
}
