import { ConfigError } from '../errors/index.ts';
import { complexZeros } from './complex.ts';
import type { ComplexArray } from './complex.ts';
import { hermitianEigen } from './hermitian-eigen.ts';
import { hippoTransition, lowRankCorrection } from './hippo.ts';
import type { HippoMeasure, HippoOptions } from './hippo.ts';

/** A = V (diag(eigenvalues) - sum over r of P_r P_r^*) V^*, B in the same basis. Sizes below: M kept eigenpairs. */
export interface NormalPlusLowRank {
  /** M = N / 2 of each conjugate pair (imaginary part at most 0), or M = N with `pairs: 'all'`; ascending imaginary part. */
  readonly eigenvalues: ComplexArray;
  /** [rank, M] */
  readonly P: ComplexArray;
  /** [M] */
  readonly B: ComplexArray;
  /** [N, M] row-major, orthonormal columns. */
  readonly V: ComplexArray;
}

export interface NormalPlusLowRankOptions extends HippoOptions {
  /** Rows of P. Default 1. */
  readonly rank?: number | undefined;
  /** Keep one eigenpair of each conjugate pair (N even), or all. Default 'half'. */
  readonly pairs?: 'half' | 'all' | undefined;
  /** Limit of |Im B|, as S4's first values have it; 0 for none. Default 0. */
  readonly clipB?: number | undefined;
}

/**
 * Normal plus low-rank form of a HiPPO matrix in its own eigenbasis (so diagonal plus low-rank).
 *
 * @param size - State size N.
 * @returns Eigenvalues and P, B, V in that basis. Eigenvectors are free up to a unit factor each, here with a real positive first entry; the double real eigenvalue of a Fourier
 * measure gets the vector (e_0 + i e_1) / sqrt(2).
 * @throws ConfigError where the corrected matrix is not normal, the size is odd with `pairs: 'half'`, or the measure has no correction.
 * @see Gu, Goel and Re 2021, arXiv 2111.00396, theorem 1. Official: state-spaces/s4, src/models/hippo/hippo.py, nplr.
 */
export function normalPlusLowRank(measure: HippoMeasure, size: number, options: NormalPlusLowRankOptions = {}): NormalPlusLowRank {
  const { rank = 1, pairs = 'half', clipB = 0 } = options;
  if (pairs === 'half' && size % 2) throw new ConfigError(`normalPlusLowRank: the state size is ${size}, expected an even one to keep half of the conjugate pairs. Pass pairs: 'all' or add one.`);
  const { A, B } = hippoTransition(measure, size, options);
  const low = lowRankCorrection(measure, size, rank);
  const normal = A.values.slice();
  for (let r = 0; r < rank; r++) {
    for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) normal[i * size + j] += low.values[r * size + i] * low.values[r * size + j];
  }
  let mean = 0;
  for (let i = 0; i < size; i++) mean += normal[i * size + i] / size;
  // The normal part is mean * I + skew; -i * skew is Hermitian with real eigenvalues.
  const hermitian = complexZeros(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      const skew = normal[i * size + j] - (i === j ? mean : 0);
      const mirrored = normal[j * size + i] - (i === j ? mean : 0);
      if (Math.abs(skew + mirrored) > 1e-9 * (1 + Math.abs(skew))) throw new ConfigError(`normalPlusLowRank: ${measure} of size ${size} with rank ${rank} is not a multiple of the identity plus a skew-symmetric matrix, so it has no unitary eigenbasis of this kind. Use legs, legt, lagt, fout, foud or legsd with their rank.`);
      hermitian.im[i * size + j] = -(skew - mirrored) / 2;
    }
  }
  const { values, vectors } = hermitianEigen(size, hermitian);
  const kept = pairs === 'half' ? size / 2 : size;
  const V = complexZeros(size * kept);
  for (let i = 0; i < size; i++) {
    for (let m = 0; m < kept; m++) {
      V.re[i * kept + m] = vectors.re[i * size + m];
      V.im[i * kept + m] = vectors.im[i * size + m];
    }
  }
  for (let m = 0; m < kept; m++) makeFirstEntryReal(V, size, kept, m);
  // The last kept eigenvalue of a Fourier measure is real and double: any vector of its plane would be an eigenvector, but only this one
  // and its conjugate span the plane. (The published code does so for FouT and loses half of the plane for FouD.)
  if (pairs === 'half' && (measure === 'fout' || measure === 'foud')) {
    for (let i = 0; i < size; i++) V.re[i * kept + kept - 1] = V.im[i * kept + kept - 1] = 0;
    V.re[kept - 1] = V.im[kept + kept - 1] = Math.SQRT1_2;
  }
  const inBasis = (source: Float64Array, at: number, target: ComplexArray, to: number): void => {
    for (let m = 0; m < kept; m++) {
      for (let i = 0; i < size; i++) {
        target.re[to + m] += V.re[i * kept + m] * source[at + i];
        target.im[to + m] -= V.im[i * kept + m] * source[at + i];
      }
    }
  };
  const result: NormalPlusLowRank = {
    eigenvalues: { re: new Float64Array(kept).fill(mean), im: values.slice(0, kept) },
    P: complexZeros(rank * kept), B: complexZeros(kept), V,
  };
  for (let r = 0; r < rank; r++) inBasis(low.values, r * size, result.P, r * kept);
  inBasis(B, 0, result.B, 0);
  if (clipB > 0) for (let m = 0; m < kept; m++) result.B.im[m] = Math.max(-clipB, Math.min(clipB, result.B.im[m]));
  return result;
}

/** Eigenvectors are free up to a unit factor; this one makes the first entry that is not 0 real and positive, so that the result is the same everywhere. */
function makeFirstEntryReal(V: ComplexArray, size: number, kept: number, m: number): void {
  for (let i = 0; i < size; i++) {
    const re = V.re[i * kept + m], im = V.im[i * kept + m], length = Math.hypot(re, im);
    if (length < 1e-8) continue;
    for (let j = 0; j < size; j++) {
      const at = j * kept + m, x = V.re[at], y = V.im[at];
      V.re[at] = (x * re + y * im) / length;
      V.im[at] = (y * re - x * im) / length;
    }
    V.im[i * kept + m] = 0;
    return;
  }
}

/**
 * S5's block-diagonal HiPPO-N: the eigenvalues and eigenvectors of the normal part of LegS of size P / J, repeated J times.
 *
 * @param size - State size P (before halving), a multiple of `blocks`; P / blocks even where `conjugate`.
 * @param blocks - Number of blocks J.
 * @param conjugate - Keep one of each conjugate pair (the one with imaginary part at most 0). Default true.
 * @returns `eigenvalues` [M] and `V` [P, M], `Vinverse` [M, P] = V^*, block-diagonal, M = P / 2 or P.
 * @see Smith et al. 2022, arXiv 2208.04933, appendix B. Official: lindermanlab/S5, s5/ssm_init.py, make_DPLR_HiPPO and s5/seq_model usage.
 */
export function blockDiagonalHippo(size: number, blocks: number, conjugate = true): { eigenvalues: ComplexArray; V: ComplexArray; Vinverse: ComplexArray } {
  if (!Number.isSafeInteger(blocks) || blocks < 1 || size % blocks || (conjugate && (size / blocks) % 2)) {
    throw new ConfigError(`blockDiagonalHippo: ${size} states in ${blocks} blocks, expected a whole${conjugate ? ', even' : ''} number of states in each block. Change one of them.`);
  }
  const inner = size / blocks;
  const block = normalPlusLowRank('legs', inner, { pairs: conjugate ? 'half' : 'all' });
  const kept = block.eigenvalues.re.length, all = kept * blocks;
  const eigenvalues = complexZeros(all), V = complexZeros(size * all), Vinverse = complexZeros(all * size);
  for (let b = 0; b < blocks; b++) {
    for (let m = 0; m < kept; m++) {
      eigenvalues.re[b * kept + m] = block.eigenvalues.re[m];
      eigenvalues.im[b * kept + m] = block.eigenvalues.im[m];
      for (let i = 0; i < inner; i++) {
        const at = (b * inner + i) * all + b * kept + m, turned = (b * kept + m) * size + b * inner + i;
        V.re[at] = Vinverse.re[turned] = block.V.re[i * kept + m];
        V.im[at] = block.V.im[i * kept + m];
        Vinverse.im[turned] = -block.V.im[i * kept + m];
      }
    }
  }
  return { eigenvalues, V, Vinverse };
}
