import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import type { ComplexTensor } from '../ops/index.ts';
import { affine } from './affine.ts';

/** p q, element by element with tfjs' broadcasting. */
export function multiplyComplex(p: ComplexTensor, q: ComplexTensor): ComplexTensor {
  return { re: tf.sub(tf.mul(p.re, q.re), tf.mul(p.im, q.im)), im: tf.add(tf.mul(p.re, q.im), tf.mul(p.im, q.re)) };
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
