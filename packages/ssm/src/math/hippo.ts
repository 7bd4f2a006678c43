import { ConfigError } from '../errors/index.ts';
import { matrix } from './dense-matrix.ts';
import type { Matrix } from './dense-matrix.ts';

/** LegS and LegT: Legendre, scaled and translated. LagT and its generalised and tilted forms: Laguerre. FouT, FouD, fourier2: Fourier. LegSD: normal part of LegS. */
export type HippoMeasure = 'legs' | 'legsd' | 'legt' | 'lagt' | 'glagt' | 'tlagt' | 'fout' | 'foud' | 'fourier2';

export const HIPPO_MEASURES: readonly HippoMeasure[] = ['legs', 'legsd', 'legt', 'lagt', 'glagt', 'tlagt', 'fout', 'foud', 'fourier2'];

export interface HippoOptions {
  /** Laguerre measures: tilt. Default 1, for the generalised one 0.01. */
  readonly beta?: number | undefined;
  /** Generalised Laguerre: the exponent. Default 0. */
  readonly alpha?: number | undefined;
}

/** x' = A x + B u: A is N x N, B has N entries. */
export interface Transition {
  readonly A: Matrix;
  readonly B: Float64Array;
}

/** sqrt(2), 0, sqrt(2), 0, ... with a first entry of 1: coefficients of a constant in the real Fourier basis. */
const fourierVector = (size: number, factor: number): Float64Array => Float64Array.from({ length: size }, (_, n) => (n % 2 ? 0 : factor * (n ? Math.SQRT2 : 1)));

/** Entry (i, j) of the real Fourier basis' derivative: frequency k rotates entries 2k and 2k + 1. */
const rotation = (i: number, j: number, unit: number): number =>
  (i % 2 === 0 && j === i + 1 ? -unit * (i / 2) : j % 2 === 0 && i === j + 1 ? unit * (j / 2) : 0);

/** log Gamma(x) for x > 0, Lanczos' form with g = 7. */
function logGamma(x: number): number {
  const coefficients = [0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7];
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const shifted = x - 1, t = shifted + 7.5;
  const sum = coefficients.slice(1).reduce((total, value, i) => total + value / (shifted + i + 1), coefficients[0]);
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** Laguerre matrices: `diagonal` on the diagonal, -1 below. */
const laguerre = (size: number, diagonal: number): Matrix => matrix(size, size, (i, j) => (i === j ? diagonal : i > j ? -1 : 0));

function generalisedLaguerre(size: number, alpha: number, beta: number): Transition {
  const ratios = Float64Array.from({ length: size }, (_, n) => logGamma(n + alpha + 1) - logGamma(n + 1)); // log of Gamma(n + alpha + 1) / n!
  const norm = (n: number): number => (alpha === 0 ? 1 : Math.exp(0.5 * ratios[n]));
  const plain = laguerre(size, -(1 + beta) / 2);
  return {
    A: matrix(size, size, (i, j) => (plain.values[i * size + j] * norm(j)) / norm(i)),
    B: Float64Array.from({ length: size }, (_, n) => {
      const binomial = alpha === 0 ? 1 : Math.exp(ratios[n] - logGamma(alpha + 1));
      return (binomial / norm(n)) * (alpha === 0 ? 1 : Math.exp(-0.5 * logGamma(1 - alpha))) * beta ** ((1 - alpha) / 2);
    }),
  };
}

/**
 * HiPPO matrices of a measure: the coefficients x of a function's history in the measure's basis follow x' = A x + B u (for LegS: x' = (A x + B u) / t).
 *
 * @param size - State size N, at least 1; even for the Fourier measures.
 * @returns A (N x N, negative sign included) and B (N), in the normalisation of the S4 code (LegT halved, FouT with unit period).
 * @throws ConfigError for an unknown measure or a size it cannot have.
 * @see Gu et al. 2020, arXiv 2008.07669; Gu et al. 2022, arXiv 2206.12037. Official: state-spaces/s4, src/models/hippo/hippo.py, transition.
 * @example
 * hippoTransition('legs', 2).A.values; // Float64Array [-1, 0, -1.7320508075688772, -2]
 */
export function hippoTransition(measure: HippoMeasure, size: number, options: HippoOptions = {}): Transition {
  if (!Number.isSafeInteger(size) || size < 1) throw new ConfigError(`hippoTransition: the state size is ${size}, expected a whole number of at least 1.`);
  const root = (n: number): number => Math.sqrt(2 * n + 1);
  const { beta = measure === 'glagt' ? 0.01 : 1, alpha = 0 } = options;
  const vector = (entry: (n: number) => number): Float64Array => Float64Array.from({ length: size }, (_, n) => entry(n));
  switch (measure) {
    case 'legs': return { A: matrix(size, size, (i, j) => (i > j ? -root(i) * root(j) : i === j ? -(i + 1) : 0)), B: vector(root) };
    case 'legsd': return { A: matrix(size, size, (i, j) => (i === j ? -0.5 : (i > j ? -0.5 : 0.5) * root(i) * root(j))), B: vector((n) => 0.5 * root(n)) };
    case 'legt': return { A: matrix(size, size, (i, j) => -0.5 * root(i) * root(j) * (i < j && (j - i) % 2 ? -1 : 1)), B: vector((n) => 0.5 * root(n)) };
    case 'lagt': return { A: laguerre(size, -0.5), B: vector(() => beta) };
    case 'tlagt': return { A: laguerre(size, (1 - beta) / 2 - 1), B: vector(() => beta) };
    case 'glagt': return generalisedLaguerre(size, alpha, beta);
    case 'fout': case 'foud': case 'fourier2': return fourier(measure, size);
    default: throw new ConfigError(`hippoTransition: unknown measure ${JSON.stringify(measure)}, expected one of ${HIPPO_MEASURES.join(', ')}.`);
  }
}

function fourier(measure: 'fout' | 'foud' | 'fourier2', size: number): Transition {
  if (size % 2) throw new ConfigError(`hippoTransition: the state size is ${size}, expected an even one for the Fourier measure ${measure}. Add one.`);
  const vector = fourierVector(size, measure === 'fourier2' ? 2 : 1);
  const unit = measure === 'fout' ? Math.PI : 2 * Math.PI;
  const strength = measure === 'fout' ? 1 : measure === 'fourier2' ? 0.5 : 0;
  return {
    A: matrix(size, size, (i, j) => rotation(i, j, unit) - strength * vector[i] * vector[j] - (measure === 'foud' && i === j ? 0.5 : 0)),
    B: vector,
  };
}

/**
 * Vectors P such that A + sum over r of P_r P_r^T is a normal matrix. Measures that are normal already get zeros.
 *
 * @param rank - Rows to return; at least the rank of the measure's correction (2 for LegT), more are filled with zeros.
 * @returns [rank, N].
 */
export function lowRankCorrection(measure: HippoMeasure, size: number, rank = 1): Matrix {
  const rows: ((n: number) => number)[] = [];
  if (measure === 'legs') rows.push((n) => Math.sqrt(n + 0.5));
  else if (measure === 'legt') rows.push((n) => (n % 2 ? Math.sqrt(n + 0.5) : 0), (n) => (n % 2 ? 0 : Math.sqrt(n + 0.5)));
  else if (measure === 'lagt') rows.push(() => Math.SQRT1_2);
  else if (measure === 'fout') rows.push((n) => (n % 2 ? 0 : n ? Math.SQRT2 : 1));
  else if (measure !== 'legsd' && measure !== 'foud') {
    throw new ConfigError(`lowRankCorrection: the measure ${JSON.stringify(measure)} has no low-rank correction here, expected legs, legt, lagt, fout, foud or legsd.`);
  }
  if (rank < rows.length) throw new ConfigError(`lowRankCorrection: rank is ${rank}, expected at least ${rows.length} for ${measure}. Raise it.`);
  return matrix(rank, size, (r, n) => rows[r]?.(n) ?? 0);
}

