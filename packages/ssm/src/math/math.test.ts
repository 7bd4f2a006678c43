import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BOUNDS } from '@mamba360/testing';
import { ConfigError } from '../errors/index.ts';
import {
  blockDiagonalHippo, combine, complexExpm1, diagonalInitialisation, discretiseDense, discretiseDiagonal, hermitianEigen, hippoTransition, identity, inverse,
  legsMemory, lowRankCorrection, matrix, matrixExponential, normalPlusLowRank, phi1, phi1Slope, power, product,
} from './index.ts';
import type { HippoMeasure, Matrix } from './index.ts';

const largest = (values: ArrayLike<number>): number => Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number => largest(Array.from(a, (value, i) => value - b[i])) / Math.max(1, largest(b));
const random = (size: number, seed: number): Matrix => matrix(size, size, (i, j) => Math.sin(1 + 12.9898 * (i + 1) * seed + 78.233 * (j + 1)));

describe('dense matrices', () => {
  it('solve undoes product, power is repeated product, the exponential of a sum of multiples is a product', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 9 }), (size, seed) => {
      const a = combine(random(size, seed), 1, identity(size), 3 + size);
      expect(distance(product(a, inverse(a)).values, identity(size).values)).toBeLessThan(BOUNDS.float64);
      expect(distance(power(a, 5).values, product(a, product(a, product(a, product(a, a)))).values)).toBeLessThan(BOUNDS.float64);
      const b = random(size, seed), times = (factor: number): Matrix => ({ ...b, values: b.values.map((value) => value * factor) });
      expect(distance(product(matrixExponential(times(0.3)), matrixExponential(times(1.7))).values, matrixExponential(times(2)).values)).toBeLessThan(BOUNDS.float64);
    }), { numRuns: 40 });
  });

  it('refuses what cannot be solved', () => {
    expect(() => inverse(matrix(2, 2, () => 1))).toThrow('singular in column 1');
    expect(() => product(matrix(2, 3, () => 1), matrix(2, 3, () => 1))).toThrow(ConfigError);
    expect(() => power(identity(2), -1)).toThrow('exponent is -1');
  });

  it('hermitianEigen rebuilds the matrix from orthonormal vectors, repeated eigenvalues too', () => {
    for (const size of [1, 2, 3, 8, 17]) {
      const source = { re: new Float64Array(size * size), im: new Float64Array(size * size) };
      for (let i = 0; i < size; i++) for (let j = 0; j <= i; j++) {
        source.re[i * size + j] = source.re[j * size + i] = size === 8 && i !== j ? 0 : Math.sin(3.1 * i + 1.7 * j);
        if (size === 8) source.re[i * size + i] = i >> 1;
        const im = i === j || size === 8 ? 0 : Math.cos(2.3 * i + j);
        source.im[i * size + j] = im;
        source.im[j * size + i] = 0 - im;
      }
      const { values, vectors } = hermitianEigen(size, source);
      let off = 0;
      for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) {
        let re = 0, im = 0, dotRe = 0, dotIm = 0;
        for (let k = 0; k < size; k++) {
          const a = i * size + k, b = j * size + k, c = k * size + i, d = k * size + j;
          re += values[k] * (vectors.re[a] * vectors.re[b] + vectors.im[a] * vectors.im[b]);
          im += values[k] * (vectors.im[a] * vectors.re[b] - vectors.re[a] * vectors.im[b]);
          dotRe += vectors.re[c] * vectors.re[d] + vectors.im[c] * vectors.im[d];
          dotIm += vectors.re[c] * vectors.im[d] - vectors.im[c] * vectors.re[d];
        }
        off = Math.max(off, Math.abs(re - source.re[i * size + j]), Math.abs(im - source.im[i * size + j]), Math.abs(dotRe - (i === j ? 1 : 0)), Math.abs(dotIm));
      }
      expect(off, `size ${size}`).toBeLessThan(1e-13);
    }
  });
});

describe('HiPPO', () => {
  it.each<[HippoMeasure, number]>([['legs', 1], ['legs', 2], ['legt', 2], ['lagt', 1], ['fout', 1], ['foud', 1], ['legsd', 1]])('%s with rank %i is rebuilt by its decomposition', (measure, rank) => {
    for (const size of [2, 4, 10, 32]) {
      const { A, B } = hippoTransition(measure, size);
      const own = normalPlusLowRank(measure, size, { rank, pairs: 'all' });
      const vectors = { re: own.V.re, im: own.V.im };
      const rebuilt = matrix(size, size, (i, j) => {
        let sum = 0;
        for (let k = 0; k < size; k++) {
          const a = i * size + k, b = j * size + k;
          const re = vectors.re[a] * vectors.re[b] + vectors.im[a] * vectors.im[b], im = vectors.im[a] * vectors.re[b] - vectors.re[a] * vectors.im[b];
          sum += own.eigenvalues.re[k] * re - own.eigenvalues.im[k] * im;
        }
        const low = lowRankCorrection(measure, size, rank).values;
        for (let r = 0; r < rank; r++) sum -= low[r * size + i] * low[r * size + j];
        return sum;
      });
      expect(distance(rebuilt.values, A.values)).toBeLessThan(BOUNDS.float64);
      const half = normalPlusLowRank(measure, size, { rank });
      const back = Float64Array.from({ length: size }, (_, i) => {
        let sum = 0;
        for (let m = 0; m < size / 2; m++) sum += 2 * (half.V.re[i * (size / 2) + m] * half.B.re[m] - half.V.im[i * (size / 2) + m] * half.B.im[m]);
        return sum;
      });
      expect(distance(back, B)).toBeLessThan(BOUNDS.float64);
    }
  });

  it('says what it cannot do', () => {
    expect(() => hippoTransition('fout', 5)).toThrow('expected an even one for the Fourier measure');
    expect(() => hippoTransition('legz' as never, 4)).toThrow('unknown measure "legz"');
    expect(() => lowRankCorrection('legt', 4, 1)).toThrow('expected at least 2');
    expect(() => normalPlusLowRank('glagt', 4)).toThrow('no low-rank correction');
    expect(() => normalPlusLowRank('legs', 5)).toThrow("pairs: 'all'");
    expect(() => diagonalInitialisation('lin', 3)).toThrow('even number');
    expect(() => blockDiagonalHippo(10, 4)).toThrow('10 states in 4 blocks');
  });

  it("S5's blocks repeat one spectrum, and Vinverse undoes V", () => {
    const { eigenvalues, V, Vinverse } = blockDiagonalHippo(12, 3, false);
    expect([...eigenvalues.im.slice(0, 4)]).toEqual([...eigenvalues.im.slice(4, 8)]);
    let off = 0;
    for (let i = 0; i < 12; i++) for (let j = 0; j < 12; j++) {
      let re = 0, im = 0;
      for (let k = 0; k < 12; k++) {
        re += Vinverse.re[i * 12 + k] * V.re[k * 12 + j] - Vinverse.im[i * 12 + k] * V.im[k * 12 + j];
        im += Vinverse.re[i * 12 + k] * V.im[k * 12 + j] + Vinverse.im[i * 12 + k] * V.re[k * 12 + j];
      }
      off = Math.max(off, Math.abs(re - (i === j ? 1 : 0)), Math.abs(im));
    }
    expect(off).toBeLessThan(1e-13);
    expect(blockDiagonalHippo(12, 3).eigenvalues.re).toHaveLength(6);
  });

  it('LegS memory of a constant is that constant in the first coefficient only, whatever the speed', () => {
    for (const length of [5, 40]) {
      const memory = legsMemory(new Float64Array(length).fill(2), 6, 'zoh');
      expect(distance(memory.slice(-6), [2, 0, 0, 0, 0, 0])).toBeLessThan(BOUNDS.float64);
    }
  });
});

describe('discretisation', () => {
  it('diagonal and dense agree, with a zero eigenvalue and with a tiny step', () => {
    const eigenvalues = { re: Float64Array.of(-0.5, 0, -3, -1e-9), im: new Float64Array(4) }, B = { re: Float64Array.of(1, 2, 3, 4), im: new Float64Array(4) };
    const A = matrix(4, 4, (i, j) => (i === j ? eigenvalues.re[i] : 0));
    for (const method of ['zoh', 'bilinear', 'euler', 'backward', { alpha: 0.3 }] as const) {
      for (const step of [1e-9, 0.01, 1]) {
        const diagonal = discretiseDiagonal(eigenvalues, B, step, method), dense = discretiseDense(A, B.re, step, method);
        expect(distance(diagonal.A.re, [0, 5, 10, 15].map((i) => dense.A.values[i]))).toBeLessThan(1e-13);
        expect(largest(diagonal.B.re.map((value, i) => (value - dense.B[i]) / step))).toBeLessThan(1e-12);
      }
    }
    expect(() => discretiseDense(A, B.re, 1, 'magic' as never)).toThrow(ConfigError);
  });

  it('phi1 and its slope join their two forms smoothly and keep digits at 0', () => {
    expect(phi1({ re: 0, im: 0 })).toEqual({ re: 1, im: 0 });
    expect(phi1Slope({ re: 0, im: 0 })).toEqual({ re: 0.5, im: 0 });
    for (const size of [0.4999999, 0.5000001]) {
      const at = { re: 0, im: size }, below = { re: 0, im: 0.4999999 };
      expect(phi1(at).im).toBeCloseTo(phi1(below).im, 6);
      expect(phi1Slope(at).im).toBeCloseTo(phi1Slope(below).im, 6);
    }
    for (const x of [-0.3, 0.2, -0.7, 3]) {
      const h = 1e-6;
      expect(phi1Slope({ re: x, im: 0 }).re).toBeCloseTo((phi1({ re: x + h, im: 0 }).re - phi1({ re: x - h, im: 0 }).re) / (2 * h), 8);
      expect(phi1({ re: x, im: 0 }).re).toBeCloseTo(Math.expm1(x) / x, 14);
    }
    expect(complexExpm1({ re: 1e-20, im: 1e-20 })).toEqual({ re: 1e-20, im: 1e-20 });
  });
});
