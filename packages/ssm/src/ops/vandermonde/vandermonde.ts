import { checkFloat, checkShape, showShape } from '../common/check-shape.ts';
import type { ComplexTensor } from '../common/complex-tensor.ts';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { modesKernel } from './kernel.ts';

/**
 * Vandermonde product: K[c, h, l] = sum over n of v[c, h, n] e^(l x[h, n]) for l = 0..L-1, x the logarithm of the ratio.
 *
 * @param v - Coefficients. Shape [C, H, N] each of `re`, `im`.
 * @param x - Logarithms of the ratios, so that e^x is the factor of one step. Shape [H, N] each. For convolution kernels Re x <= 0.
 * @param length - L, at least 1.
 * @returns K, `re` and `im`, [C, H, L] each. For real kernels from one of each conjugate pair take twice `re`. The caller disposes both.
 * @throws ShapeError if the shapes differ from the ones above.
 * @throws ConfigError if a tensor is not float32 or the length is none.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @throws GradientError if a gradient of its gradient is asked for.
 * @remarks Calculated in double precision, the phase of every 256th step reduced exactly; rounded to float32 once. Time O(C H N L). The inputs are float32, so
 * a frequency is known to 6e-8 of itself; kernels of S4D and DSS (`s4dKernel`, `dssKernel`) form theirs in float64 from the parameters.
 * @see Gu et al. 2022, arXiv 2206.11893, section 3.2. Official reference: state-spaces/s4, functional/vandermonde.py, log_vandermonde_naive.
 * @example
 * vandermonde({ re: tf.ones([1, 1, 1]), im: tf.zeros([1, 1, 1]) }, { re: tf.fill([1, 1], -Math.LN2), im: tf.zeros([1, 1]) }, 3).re.arraySync(); // [[[1, 0.5, 0.25]]]
 */
export function vandermonde(v: ComplexTensor, x: ComplexTensor, length: number): ComplexTensor {
  checkFloat('vandermonde', 'v.re', v.re);
  if (v.re.shape.length !== 3) throw new ShapeError(`vandermonde: v.re has shape ${showShape(v.re.shape)}, expected 3 axes ([C, H, N]). Add axes of 1 in front with tf.expandDims.`);
  const [channels, heads, modes] = v.re.shape as [number, number, number];
  checkShape('vandermonde', 'v.im', v.im, v.re.shape, '[C, H, N], as v.re', 'Give re and im of one shape.');
  for (const part of ['re', 'im'] as const) checkShape('vandermonde', `x.${part}`, x[part], [heads, modes], '[H, N], as v', 'Give one logarithm for each coefficient of a channel.');
  if (!Number.isSafeInteger(length) || length < 1) throw new ConfigError(`vandermonde: length is ${length}, expected a whole number of steps, at least 1.`);
  const [re, im] = modesKernel.run({ vRe: v.re, vIm: v.im, xRe: x.re, xIm: x.im }, {
    channels, heads, modes, length, imaginary: true,
    prepare: (raw) => ({
      x: { re: raw['xRe'], im: raw['xIm'] }, v: { re: raw['vRe'], im: raw['vIm'] },
      pullback: (dx, dv) => ({ vRe: dv.re, vIm: dv.im, xRe: dx.re, xIm: dx.im }),
    }),
  });
  return { re: re!, im: im! };
}
