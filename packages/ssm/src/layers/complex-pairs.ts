import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import type { ComplexTensor } from '../ops/index.ts';
import { affine } from './affine.ts';

/** p q, element by element with tfjs' broadcasting. */
export function multiplyComplex(p: ComplexTensor, q: ComplexTensor): ComplexTensor {
  return { re: tf.sub(tf.mul(p.re, q.re), tf.mul(p.im, q.im)), im: tf.add(tf.mul(p.re, q.im), tf.mul(p.im, q.re)) };
}

/** 1 / p. */
export function reciprocalComplex(p: ComplexTensor): ComplexTensor {
  const square = tf.add(tf.square(p.re), tf.square(p.im));
  return { re: tf.div(p.re, square), im: tf.neg(tf.div(p.im, square)) };
}

/** exp(p). */
export function exponentialComplex(p: ComplexTensor): ComplexTensor {
  const size = tf.exp(p.re);
  return { re: tf.mul(size, tf.cos(p.im)), im: tf.mul(size, tf.sin(p.im)) };
}

/** exp(p) - 1 without the loss of digits near 0: expm1(a) cos b - 2 sin(b / 2)^2 + i e^a sin b. */
export function expm1Complex(p: ComplexTensor): ComplexTensor {
  const half = tf.sin(tf.mul(p.im, 0.5));
  return {
    re: tf.sub(tf.mul(tf.expm1(p.re), tf.cos(p.im)), tf.mul(2, tf.square(half))),
    im: tf.mul(tf.exp(p.re), tf.sin(p.im)),
  };
}

/** x W^T of a real x [..., H] with a complex weight [N, H]: one product for both parts. */
export function affineToComplex(x: Tensor, weight: ComplexTensor): ComplexTensor {
  const [re, im] = tf.split(affine(x, tf.concat([weight.re, weight.im], 0)), 2, -1);
  return { re: re!, im: im! };
}

/** Re(W x) of a complex x [..., N] with a complex weight [H, N]: one product. */
export function realOfAffine(x: ComplexTensor, weight: ComplexTensor): Tensor {
  return affine(tf.concat([x.re, x.im], -1), tf.concat([weight.re, tf.neg(weight.im)], -1));
}
