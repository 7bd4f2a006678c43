import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import type { ComplexTensor } from '../ops/index.ts';
import { exponentialComplex, expm1Complex, multiplyComplex, reciprocalComplex } from './complex-pairs.ts';

export type Discretisation = 'zoh' | 'bilinear';

/** Below this |z|^2 the quotient (e^z - 1) / z is 1 + z / 2 to float32. */
const SMALL_SQUARE = 1e-9;

/** (e^z - 1) / z, 1 at z = 0, with a gradient everywhere. */
function growth(z: ComplexTensor): ComplexTensor {
  const small = tf.less(tf.add(tf.square(z.re), tf.square(z.im)), SMALL_SQUARE);
  // Where z is small the quotient is not used: dividing by 1 there keeps NaN out of its gradient.
  const safe = { re: tf.where(small, tf.onesLike(z.re), z.re), im: tf.where(small, tf.zerosLike(z.im), z.im) };
  const quotient = multiplyComplex(expm1Complex(safe), reciprocalComplex(safe));
  return {
    re: tf.where(small, tf.add(1, tf.mul(0.5, z.re)), quotient.re),
    im: tf.where(small, tf.mul(0.5, z.im), quotient.im),
  };
}

/**
 * Diagonal system in steps of `step`: Lambda-bar, and the factor that turns B into B-bar.
 *
 * @param lambda - Eigenvalues [P].
 * @param step - Step sizes, one for each state, [P].
 * @param method - zoh: exp(lambda step) and (exp(lambda step) - 1) / lambda, by expm1; bilinear: (1 + lambda step / 2) / (1 - lambda step / 2) and step / (1 - lambda step / 2).
 * @returns Both [P]; made inside the caller's tidy.
 */
export function discretiseDiagonal(lambda: ComplexTensor, step: Tensor, method: Discretisation): { decay: ComplexTensor; input: ComplexTensor } {
  const z = { re: tf.mul(lambda.re, step), im: tf.mul(lambda.im, step) };
  if (method === 'zoh') {
    const factor = growth(z);
    return { decay: exponentialComplex(z), input: { re: tf.mul(factor.re, step), im: tf.mul(factor.im, step) } };
  }
  const half = { re: tf.mul(z.re, 0.5), im: tf.mul(z.im, 0.5) };
  const inverse = reciprocalComplex({ re: tf.sub(1, half.re), im: tf.neg(half.im) });
  return {
    decay: multiplyComplex(inverse, { re: tf.add(1, half.re), im: half.im }),
    input: { re: tf.mul(inverse.re, step), im: tf.mul(inverse.im, step) },
  };
}
