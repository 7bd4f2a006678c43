import { matrix, matrixExponential, product, solve } from './dense-matrix.ts';
import type { Matrix } from './dense-matrix.ts';
import { discretiseDense } from './discretise.ts';
import { hippoTransition } from './hippo.ts';

/** How one step from sample t to t + 1 is taken. */
export type LegsMethod = 'forward' | 'backward' | 'bilinear' | 'zoh';

/** x[t] = A x[t-1] + B f[t]. */
export interface LegsStep {
  readonly A: Matrix;
  readonly B: Float64Array;
}

/**
 * The matrices of step t of the scale-invariant LegS memory, x' = (A x + B f) / t.
 *
 * forward, backward and bilinear discretise A / t, B / t with a step of 1; zoh uses the exact flow e^(A log((t + 1) / t)).
 *
 * @param size - State size N. @param t - 1 for the second sample; the first one sets x = [f, 0, ...].
 */
export function legsStep(size: number, t: number, method: LegsMethod): LegsStep {
  const { A, B } = hippoTransition('legs', size);
  if (method === 'zoh') {
    const time = Math.log((t + 1) / t);
    const flow = matrixExponential({ ...A, values: A.values.map((value) => value * time) });
    const moved = product(flow, { rows: size, columns: 1, values: B });
    const inputs = solve(A, matrix(size, 1, (i) => moved.values[i] - B[i]));
    return { A: flow, B: inputs.values };
  }
  return discretiseDense(A, B, 1 / t, method === 'forward' ? 'euler' : method);
}

/**
 * Coefficients of the history of f in scaled Legendre polynomials after every sample.
 *
 * @param f - Samples [L]. @param size - State size N.
 * @returns [L, N] row-major.
 * @see Gu et al. 2020, arXiv 2008.07669, theorem 2. Official: state-spaces/s4, rnns/cells/memory.py, LSICell.
 */
export function legsMemory(f: ArrayLike<number>, size: number, method: LegsMethod): Float64Array {
  const memory = new Float64Array(f.length * size);
  if (f.length > 0) memory[0] = f[0];
  for (let t = 1; t < f.length; t++) {
    const { A, B } = legsStep(size, t, method);
    const moved = product(A, { rows: size, columns: 1, values: memory.subarray((t - 1) * size, t * size) }).values;
    for (let n = 0; n < size; n++) memory[t * size + n] = moved[n] + B[n] * f[t];
  }
  return memory;
}
