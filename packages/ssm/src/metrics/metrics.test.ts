import { describe, expect, it } from 'vitest';
import { ShapeError } from '../errors/index.ts';
import { accuracy, crossEntropy, meanAbsoluteError, meanSquaredError, rootMeanSquaredError } from './index.ts';

describe('metrics', () => {
  it('regression: by hand, missing actual values left out', () => {
    expect(meanSquaredError([1, 2, NaN, 4], [2, 2, 9, 1])).toBeCloseTo(10 / 3, 12);
    expect(rootMeanSquaredError([0, 0], [3, 4])).toBeCloseTo(Math.sqrt(12.5), 12);
    expect(meanAbsoluteError([1, NaN], [-1, 5])).toBe(2);
    expect(meanAbsoluteError([1], [NaN])).toBeNaN();
    expect(meanAbsoluteError([NaN], [1])).toBeNaN();
    expect(() => meanSquaredError([1], [1, 2])).toThrow(ShapeError);
  });

  it('classification: by hand, and stable for large logits', () => {
    expect(accuracy(['a', 'b', 'a', 'a'], ['a', 'a', 'a', 'b'])).toBe(0.5);
    expect(crossEntropy([1], [0, 0], 2)).toBeCloseTo(Math.LN2, 12);
    expect(crossEntropy([0, 1], [1e4, 0, 1e4, 0], 2)).toBeCloseTo(5000, 6);
    expect(() => crossEntropy([0], [1], 2)).toThrow(ShapeError);
  });
});
