import { ConfigError } from '../errors/index.ts';
import { complexExp, complexZeros, divide, multiply, phi1, scale } from './complex.ts';
import type { Complex, ComplexArray } from './complex.ts';
import { combine, identity, matrix, matrixExponential, product, solve } from './dense-matrix.ts';
import type { Matrix } from './dense-matrix.ts';

/** zoh: input held over a step; foh: input linear over a step; bilinear, euler, backward: generalised bilinear with alpha 1/2, 0, 1. */
export type DiscretisationMethod = 'zoh' | 'foh' | 'bilinear' | 'euler' | 'backward' | { readonly alpha: number };

/** x[k+1] = A x[k] + B u[k]; `feedThrough` (foh only) is what C = ones adds from u to y: sum of B's first-order part. */
export interface DiscreteSystem {
  readonly A: Matrix;
  readonly B: Float64Array;
  readonly feedThrough?: number;
}

const ALPHA = { bilinear: 0.5, euler: 0, backward: 1 } as const;

/**
 * Discretises x' = A x + B u with steps of `step`, dense, in float64.
 *
 * zoh: e^(dA), and the integral of e^(sA) B over a step; generalised bilinear: (I - alpha d A)^-1 (I + (1 - alpha) d A), (I - alpha d A)^-1 d B.
 *
 * @param A - N x N. @param B - [N]. @param step - d, in units of the continuous time.
 * @throws ConfigError for an unknown method or a singular I - alpha d A.
 * @see Gu et al. 2021, arXiv 2110.13985, appendix (generalised bilinear transform).
 */
export function discretiseDense(A: Matrix, B: Float64Array, step: number, method: DiscretisationMethod): DiscreteSystem {
  const size = A.rows;
  if (method === 'zoh' || method === 'foh') {
    const extra = method === 'zoh' ? 1 : 2;
    const whole = size + extra;
    // [[A d, B d, 0], [0, 0, 1], [0, 0, 0]]: its exponential holds the integrals of e^(sA) B against 1 and s.
    const block = matrix(whole, whole, (i, j) => (i < size ? (j < size ? A.values[i * size + j] * step : j === size ? B[i] * step : 0) : i === size && j === size + 1 ? 1 : 0));
    const e = matrixExponential(block).values;
    const discrete = matrix(size, size, (i, j) => e[i * whole + j]);
    const held = Float64Array.from({ length: size }, (_, i) => e[i * whole + size]);
    if (method === 'zoh') return { A: discrete, B: held };
    const ramp = Float64Array.from({ length: size }, (_, i) => e[i * whole + size + 1]);
    const moved = product(discrete, { rows: size, columns: 1, values: ramp }).values;
    return { A: discrete, B: held.map((value, i) => value - ramp[i] + moved[i]), feedThrough: ramp.reduce((sum, value) => sum + value, 0) };
  }
  const alpha = alphaOf(method);
  const left = combine(identity(size), 1, A, -alpha * step);
  const right = combine(identity(size), 1, A, (1 - alpha) * step);
  const both = solve(left, matrix(size, size + 1, (i, j) => (j < size ? right.values[i * size + j] : B[i] * step)));
  return { A: matrix(size, size, (i, j) => both.values[i * (size + 1) + j]), B: Float64Array.from({ length: size }, (_, i) => both.values[i * (size + 1) + size]) };
}

function alphaOf(method: DiscretisationMethod): number {
  const alpha = typeof method === 'object' ? method.alpha : ALPHA[method as keyof typeof ALPHA];
  if (!(alpha >= 0 && alpha <= 1)) throw new ConfigError(`discretise: the method is ${JSON.stringify(method)}, expected 'zoh', 'foh', 'bilinear', 'euler', 'backward' or { alpha } between 0 and 1.`);
  return alpha;
}

/** One eigenvalue a with step d: the discrete eigenvalue, and the factor that its inputs are multiplied with. */
export function discretiseEigenvalue(a: Complex, step: number, method: Exclude<DiscretisationMethod, 'foh'>): { eigenvalue: Complex; input: Complex } {
  const scaled = scale(a, step);
  if (method === 'zoh') return { eigenvalue: complexExp(scaled), input: scale(phi1(scaled), step) };
  const alpha = alphaOf(method);
  const denominator = { re: 1 - alpha * scaled.re, im: -alpha * scaled.im };
  return {
    eigenvalue: divide({ re: 1 + (1 - alpha) * scaled.re, im: (1 - alpha) * scaled.im }, denominator),
    input: divide({ re: step, im: 0 }, denominator),
  };
}

/**
 * Discretises a diagonal complex system: eigenvalues [N], inputs B [N, width] (row-major), one step for each state or one for all.
 *
 * @returns `A` [N] and `B` [N, width].
 * @remarks zoh's (e^(da) - 1) / a is evaluated without cancellation, and is d where a is 0.
 */
export function discretiseDiagonal(
  A: ComplexArray, B: ComplexArray, steps: ArrayLike<number> | number, method: Exclude<DiscretisationMethod, 'foh'>,
): { A: ComplexArray; B: ComplexArray } {
  const size = A.re.length, width = B.re.length / size;
  const discrete = complexZeros(size), inputs = complexZeros(B.re.length);
  for (let n = 0; n < size; n++) {
    const { eigenvalue, input } = discretiseEigenvalue({ re: A.re[n], im: A.im[n] }, typeof steps === 'number' ? steps : steps[n], method);
    discrete.re[n] = eigenvalue.re;
    discrete.im[n] = eigenvalue.im;
    for (let k = 0; k < width; k++) {
      const value = multiply(input, { re: B.re[n * width + k], im: B.im[n * width + k] });
      inputs.re[n * width + k] = value.re;
      inputs.im[n * width + k] = value.im;
    }
  }
  return { A: discrete, B: inputs };
}
