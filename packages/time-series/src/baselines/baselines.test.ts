import { describe, expect, it } from 'vitest';
import { drift, naive, seasonalNaive, windowMean } from './naive.ts';
import { fitRidge, solveSymmetric } from './ridge.ts';

const history = [1, 2, 3, 4, 5, 9];

describe('baselines without training', () => {
  it('repeat, repeat a season, continue, average', () => {
    expect([...naive(history, 3)]).toEqual([9, 9, 9]);
    expect([...seasonalNaive(4)(history, 6)]).toEqual([3, 4, 5, 9, 3, 4]);
    expect([...drift(history, 2)]).toEqual([9 + 8 / 5, 9 + 16 / 5]);
    expect([...windowMean(3)(history, 2)]).toEqual([6, 6]);
  });

  it('see through missing values', () => {
    const gappy = [1, 2, 3, 4, Number.NaN, 6, Number.NaN];
    expect([...naive(gappy, 1)]).toEqual([6]);
    expect([...seasonalNaive(3)(gappy, 3)]).toEqual([2, 6, 4]);
    expect(drift(gappy, 1)[0]).toBe(8);
    expect([...windowMean(3)(gappy, 1)]).toEqual([6]);
    expect(() => naive([Number.NaN], 1)).toThrow(/without any value/);
  });

  it('a history shorter than a season gives the naive forecast', () => {
    expect([...seasonalNaive(12)(history, 2)]).toEqual([9, 9]);
  });
});

describe('ridge', () => {
  it('solves a symmetric system', () => {
    // [[4, 2], [2, 3]] x = [[2], [5]] -> x = [-0.5, 2]
    const x = solveSymmetric(Float64Array.of(4, 2, 2, 3), Float64Array.of(2, 5), 2, 1);
    expect(x[0]).toBeCloseTo(-0.5, 12);
    expect(x[1]).toBeCloseTo(2, 12);
  });

  it('continues a sum of sines exactly, at any level and length', () => {
    const wave = (row: number): number => Math.sin(row / 5) + 0.5 * Math.cos(row / 3);
    const ridge = fitRidge([Float64Array.from({ length: 400 }, (_, row) => wave(row))], { inputSize: 40, horizon: 8, penalty: 1e-9 });
    const later = Float64Array.from({ length: 40 }, (_, row) => 100 + wave(500 + row));
    ridge.forecast(later, 20).forEach((value, step) => { expect(value).toBeCloseTo(100 + wave(540 + step), 3); });
  });

  it('leaves windows with missing targets out and says when there are too few rows', () => {
    const values = Float64Array.from({ length: 60 }, (_, row) => (row === 30 ? Number.NaN : row % 4));
    expect(fitRidge([values], { inputSize: 8, horizon: 4, penalty: 1e-9 }).forecast(values)[0]).toBeCloseTo(0, 1);
    expect(() => fitRidge([[1, 2, 3]], { inputSize: 8, horizon: 4 })).toThrowErrorMatchingInlineSnapshot(`[DataError: fitRidge: got 3 rows, expected at least 12 (input size 8 + horizon 4). Give more rows, or a smaller input size.]`);
  });
});
