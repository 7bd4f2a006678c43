import { checkShape, checkRank } from '../common/check-shape.ts';
import type { ComplexTensor } from '../common/complex-tensor.ts';
import { cauchyProduct } from './kernel.ts';

export interface CauchyOptions {
  /** Also add the terms of the conjugate v and w: the sum over conjugate pairs from one of each. Default false. */
  readonly conjugate?: boolean | undefined;
}

/**
 * Cauchy product: out[b, m] = sum over n of v[b, n] / (z[m] - w[b, n]).
 *
 * @param v - Numerators. Shape [B, N] each of `re`, `im`.
 * @param z - Nodes; none may equal a pole (the result is not finite there). Shape [M] each.
 * @param w - Poles. Shape [B, N] each.
 * @returns `re` and `im`, [B, M] each. The caller disposes both.
 * @throws ShapeError if the shapes differ from the ones above.
 * @throws ConfigError if a tensor is not float32.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @throws GradientError if a gradient of its gradient is asked for.
 * @remarks Calculated in double precision, rounded to float32 once. Time O(B N M). S4's kernel (`s4Kernel`) does the same inside its own kernel, with the nodes of
 * the unit circle and without rounding in between.
 * @see Gu, Goel and Re 2021, arXiv 2111.00396, section 3.4. Official reference: state-spaces/s4, functional/cauchy.py, cauchy_naive.
 * @example
 * const one = { re: tf.ones([1, 1]), im: tf.zeros([1, 1]) };
 * cauchy(one, { re: tf.tensor1d([3]), im: tf.zeros([1]) }, one).re.arraySync(); // [[0.5]]
 */
export function cauchy(v: ComplexTensor, z: ComplexTensor, w: ComplexTensor, options: CauchyOptions = {}): ComplexTensor {
  checkRank('cauchy', 'v.re', v.re, 2, '[B, N]', 'Flatten the axes before the last with tf.reshape.');
  checkRank('cauchy', 'z.re', z.re, 1, '[M]', 'Give the nodes as one list.');
  const [batch, modes] = v.re.shape as [number, number], [nodes] = z.re.shape as [number];
  checkShape('cauchy', 'v.im', v.im, [batch, modes], '[B, N], as v.re', 'Give re and im of one shape.');
  checkShape('cauchy', 'z.im', z.im, [nodes], '[M], as z.re', 'Give re and im of one shape.');
  for (const part of ['re', 'im'] as const) checkShape('cauchy', `w.${part}`, w[part], [batch, modes], '[B, N], as v', 'Give one pole for each numerator.');
  const [re, im] = cauchyProduct.run({ vRe: v.re, vIm: v.im, zRe: z.re, zIm: z.im, wRe: w.re, wIm: w.im }, { batch, modes, nodes, conjugate: options.conjugate === true });
  return { re: re!, im: im! };
}
