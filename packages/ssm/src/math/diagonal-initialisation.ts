import { ConfigError } from '../errors/index.ts';
import { complexZeros } from './complex.ts';
import type { ComplexArray } from './complex.ts';
import { normalPlusLowRank } from './normal-plus-low-rank.ts';

/** S4D's first values of a diagonal A. */
export type DiagonalInitialisation = 'lin' | 'inv' | 'inv2' | 'quad' | 'real' | 'legs';

export const DIAGONAL_INITIALISATIONS: readonly DiagonalInitialisation[] = ['lin', 'inv', 'inv2', 'quad', 'real', 'legs'];

/**
 * Eigenvalues and input vector of S4D's initialisations, one of each conjugate pair.
 *
 * lin: -1/2 - i pi n; inv: -1/2 - i (N/pi) (N/(2n+1) - 1); inv2: the same with n+1; quad: -1/2 - i (2n+1)^2/pi; real: -(n+1);
 * legs: eigenvalues and input of the normal part of LegS.
 *
 * @param size - State size N, even; N / 2 entries are returned.
 * @returns `A` and `B`, [N / 2] each.
 * @see Gu et al. 2022, arXiv 2206.11893, section 4 (there with positive imaginary parts). Official: state-spaces/s4, kernels/dplr.py.
 */
export function diagonalInitialisation(kind: DiagonalInitialisation, size: number): { A: ComplexArray; B: ComplexArray } {
  if (!Number.isSafeInteger(size) || size < 2 || size % 2) throw new ConfigError(`diagonalInitialisation: the state size is ${size}, expected an even number of at least 2.`);
  const half = size / 2;
  if (kind === 'legs') {
    // B / 2 is the input of the normal part (LegSD); the clip of the imaginary part is that of the published code.
    const { eigenvalues, B } = normalPlusLowRank('legs', size, { clipB: 2 });
    return { A: eigenvalues, B };
  }
  const imaginary: Record<Exclude<DiagonalInitialisation, 'legs'>, (n: number) => number> = {
    lin: (n) => Math.PI * n,
    inv: (n) => (size / Math.PI) * (size / (1 + 2 * n) - 1),
    inv2: (n) => (size / Math.PI) * (size / (1 + n) - 1),
    quad: (n) => (1 + 2 * n) ** 2 / Math.PI,
    real: () => 0,
  };
  if (!Object.hasOwn(imaginary, kind)) throw new ConfigError(`diagonalInitialisation: unknown kind ${JSON.stringify(kind)}, expected one of ${DIAGONAL_INITIALISATIONS.join(', ')}.`);
  const A = complexZeros(half), B = complexZeros(half);
  for (let n = 0; n < half; n++) {
    A.re[n] = kind === 'real' ? -(n + 1) : -0.5;
    A.im[n] = 0 - imaginary[kind](n);
    B.re[n] = 1;
  }
  return { A, B };
}
