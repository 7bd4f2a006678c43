import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';

/** x Phi(x) with the exact error function. */
export function gelu(x: Tensor): Tensor {
  return tf.tidy(() => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)));
}

/** GELU in its tanh form: x / 2 (1 + tanh(sqrt(2 / pi) (x + .044715 x^3))). */
export function geluTanh(x: Tensor): Tensor {
  const inner = tf.mul(tf.add(x, tf.mul(0.044715, tf.mul(x, tf.square(x)))), Math.sqrt(2 / Math.PI));
  return tf.mul(tf.mul(0.5, x), tf.add(1, tf.tanh(inner)));
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
