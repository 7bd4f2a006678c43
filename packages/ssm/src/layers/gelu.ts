import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';

/** GELU in its tanh form: x / 2 (1 + tanh(sqrt(2 / pi) (x + .044715 x^3))). */
export function geluTanh(x: Tensor): Tensor {
  const inner = tf.mul(tf.add(x, tf.mul(0.044715, tf.mul(x, tf.square(x)))), Math.sqrt(2 / Math.PI));
  return tf.mul(tf.mul(0.5, x), tf.add(1, tf.tanh(inner)));
}
