import { describe, expect, it } from 'vitest';
import { crpsFromQuantiles, intervalCoverage, pinballLoss } from './interval-metrics.ts';
import { coverage, levelToQuantiles, mase, rmse } from './metric.ts';
import { meanAbsoluteError, meanAbsoluteScaledError, meanSquaredError, overallWeightedAverage, rootMeanSquaredError, symmetricMape } from './point-metrics.ts';

// Hand-computed: errors 1, -2, 3.
const truth = [3, 5, 7], forecast = [2, 7, 4];

describe('point metrics', () => {
  it('by hand', () => {
    expect(meanSquaredError(truth, forecast)).toBeCloseTo(14 / 3, 12);
    expect(meanAbsoluteError(truth, forecast)).toBe(2);
    expect(rootMeanSquaredError(truth, forecast)).toBeCloseTo(Math.sqrt(14 / 3), 12);
    // 200/3 * (1/5 + 2/12 + 3/11)
    expect(symmetricMape(truth, forecast)).toBeCloseTo(200 / 3 * (1 / 5 + 2 / 12 + 3 / 11), 12);
    expect(symmetricMape([0, 1], [0, 1])).toBe(0);
  });

  it('mase divides by the seasonal naive error of the training rows', () => {
    // season 2: |3-1|, |5-2|, |6-3| -> mean 8/3; error 2.
    expect(meanAbsoluteScaledError(truth, forecast, [1, 2, 3, 5, 6], 2)).toBeCloseTo(2 / (8 / 3), 12);
    expect(meanAbsoluteScaledError(truth, forecast, [4, 4, 4], 1)).toBeNaN();
    expect(meanAbsoluteScaledError(truth, forecast, [4], 1)).toBeNaN();
  });

  it('mase of the published example of the method', () => {
    // sktime's documented value for these arrays, season 1: 0.18333333333333335.
    expect(meanAbsoluteScaledError([3, -0.5, 2, 7, 2], [2.5, 0, 2, 8, 1.25], [5, 0.5, 4, 6, 3, 5, 2], 1)).toBeCloseTo(0.18333333333333335, 12);
  });

  it('owa from the published hourly scores of the M4 competition', () => {
    // Naive2 itself is 1; the naive forecast has sMAPE 43.003 and MASE 11.608 against Naive2 18.383 and 2.395.
    expect(overallWeightedAverage({ smape: 18.383, mase: 2.395, naive2Smape: 18.383, naive2Mase: 2.395 })).toBe(1);
    expect(overallWeightedAverage({ smape: 43.003, mase: 11.608, naive2Smape: 18.383, naive2Mase: 2.395 })).toBeCloseTo(3.593, 3);
  });

  it('passes missing truth over and refuses unequal lengths', () => {
    expect(meanAbsoluteError([1, Number.NaN, 3], [2, 100, 5])).toBe(1.5);
    expect(meanAbsoluteError([Number.NaN], [1])).toBeNaN();
    expect(() => meanAbsoluteError([1, 2], [1])).toThrow(/1 forecasts for 2 true values/);
  });
});

describe('interval metrics', () => {
  it('pinball by hand', () => {
    // .9 * 1, .1 * 2, .9 * 3
    expect(pinballLoss(truth, forecast, 0.9)).toBeCloseTo((0.9 + 0.2 + 2.7) / 3, 12);
    expect(pinballLoss(truth, forecast, 0.5) * 2).toBeCloseTo(meanAbsoluteError(truth, forecast), 12);
  });

  it('crps approaches the closed form of the standard normal at 0: (sqrt 2 - 1) / sqrt pi', () => {
    const quantiles = Array.from({ length: 999 }, (_, index) => ({ level: (index + 1) / 1000, forecast: [normalQuantile((index + 1) / 1000)] }));
    expect(crpsFromQuantiles([0], quantiles)).toBeCloseTo((Math.SQRT2 - 1) / Math.sqrt(Math.PI), 4);
    const deciles = quantiles.filter((_, index) => (index + 1) % 100 === 0);
    expect(Math.abs(crpsFromQuantiles([0], deciles) / ((Math.SQRT2 - 1) / Math.sqrt(Math.PI)) - 1)).toBeLessThan(0.06);
  });

  it('coverage counts both ends', () => {
    expect(intervalCoverage([1, 2, 3, 4], [1, 0, 4, 0], [2, 2, 5, 3])).toBe(0.5);
    const one = { truth: [1, 2], mean: [1, 2], training: [1], scale: 1, quantiles: [{ level: 0.1, forecast: [0, 3] }, { level: 0.9, forecast: [1, 4] }] };
    expect(coverage(80).evaluate(one)).toBe(50);
    expect(coverage(95).evaluate(one)).toBeNaN();
    expect(levelToQuantiles(95)).toEqual([0.025, 0.975]);
    expect(() => levelToQuantiles(0.95 * 200)).toThrow(/got 190/);
  });

  it('named metrics agree with the functions', () => {
    const one = { truth, mean: forecast, training: [1, 2, 3, 5, 6], scale: 1, quantiles: [] };
    expect(mase({ season: 2 }).evaluate(one)).toBeCloseTo(0.75, 12);
    expect(rmse().finish!(rmse().evaluate(one))).toBeCloseTo(Math.sqrt(14 / 3), 12);
  });
});

/** Inverse of the normal distribution by bisection on its integral (Simpson), so that the test depends on nothing under test. */
function normalQuantile(level: number): number {
  let low = -8, high = 8;
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (normalCdf(middle) < level) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function normalCdf(x: number): number {
  const parts = 400, width = x / parts;
  let sum = 1 + Math.exp(-x * x / 2);
  for (let index = 1; index < parts; index++) sum += (index % 2 === 0 ? 2 : 4) * Math.exp(-((index * width) ** 2) / 2);
  return 0.5 + sum * width / 3 / Math.sqrt(2 * Math.PI);
}
