import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';

/** x Phi(x) with the exact error function. */
export function gelu(x: Tensor): Tensor {
  return tf.tidy(() => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)));
}

/** a sigmoid(b) of the halves a, b of the last axis. */
export function gatedHalves(x: Tensor): Tensor {
  return tf.tidy(() => {
    const [value, gate] = tf.split(x, 2, -1);
    return tf.mul(value!, tf.sigmoid(gate!));
  });
}

/** x sigmoid(x). */
export function silu(x: Tensor): Tensor {
  return tf.tidy(() => tf.mul(x, tf.sigmoid(x)));
}
