import { ConfigError } from '@mamba360/ssm/errors';
import { crpsFromQuantiles, intervalCoverage, intervalWidth, pinballLoss } from './interval-metrics.ts';
import { meanAbsoluteError, meanSquaredError, seasonalNaiveError, symmetricMape } from './point-metrics.ts';
import type { Values } from './point-metrics.ts';

/** One forecast with what came true: what a metric gets to see. */
export interface ScoredForecast {
  readonly truth: Values;
  readonly mean: Values;
  /** Rows of the same series and column before the forecast. */
  readonly training: Values;
  /** Quantile forecasts, ascending by level; empty where the model gives none. */
  readonly quantiles: readonly { level: number; forecast: Values }[];
  /** Shift and scale by which scores on the scaled data are computed. */
  readonly scale: number;
}

/** A named score; lower is better unless `higherIsBetter`. NaN means that it does not apply, such as coverage for a model without intervals. */
export interface Metric {
  readonly name: string;
  readonly evaluate: (forecast: ScoredForecast) => number;
  /** Applied to the mean over all forecasts, such as a square root. */
  readonly finish?: (mean: number) => number;
  readonly target?: number;
}

/** Mean squared error; `scaled` divides by the standard deviation of the training rows first, as benchmarks report it. */
export function mse(options: { scaled?: boolean } = {}): Metric {
  return { name: options.scaled ? 'scaled mse' : 'mse', evaluate: one => meanSquaredError(one.truth, one.mean) / (options.scaled ? one.scale ** 2 : 1) };
}

/** Mean absolute error; `scaled` as for `mse`. */
export function mae(options: { scaled?: boolean } = {}): Metric {
  return { name: options.scaled ? 'scaled mae' : 'mae', evaluate: one => meanAbsoluteError(one.truth, one.mean) / (options.scaled ? one.scale : 1) };
}

/** Root of the mean squared error over everything scored. */
export function rmse(): Metric {
  return { name: 'rmse', evaluate: one => meanSquaredError(one.truth, one.mean), finish: Math.sqrt };
}

/** Mean absolute scaled error: below 1 is better than the seasonal naive forecast was within the training rows. */
export function mase(options: { season: number }): Metric {
  return {
    name: 'mase',
    evaluate: one => {
      const scale = seasonalNaiveError(one.training, options.season);
      return scale > 0 ? meanAbsoluteError(one.truth, one.mean) / scale : Number.NaN;
    },
  };
}

export function smape(): Metric {
  return { name: 'smape', evaluate: one => symmetricMape(one.truth, one.mean) };
}

/** Pinball loss at one quantile that the forecast holds. */
export function pinball(quantile: number): Metric {
  return {
    name: `pinball-${quantile}`,
    evaluate: one => {
      const found = one.quantiles.find(({ level }) => Math.abs(level - quantile) < 1e-9);
      return found ? pinballLoss(one.truth, found.forecast, quantile) : Number.NaN;
    },
  };
}

/** Continuous ranked probability score; for a model without quantiles it is its mean absolute error, which is the score of a single point. */
export function crps(): Metric {
  return { name: 'crps', evaluate: one => (one.quantiles.length > 0 ? crpsFromQuantiles(one.truth, one.quantiles) : meanAbsoluteError(one.truth, one.mean)) };
}

/** Share of the truth inside the interval of that level, in percent. */
export function coverage(level: number): Metric {
  return { name: `coverage-${level}`, target: level, evaluate: one => ofInterval(one, level, (low, high) => 100 * intervalCoverage(one.truth, low, high)) };
}

/** Mean width of the interval of that level. */
export function width(level: number): Metric {
  return { name: `width-${level}`, evaluate: one => ofInterval(one, level, (low, high) => intervalWidth(one.truth, low, high)) };
}

function ofInterval(one: ScoredForecast, level: number, score: (low: Values, high: Values) => number): number {
  const [below, above] = levelToQuantiles(level);
  const find = (wanted: number): Values | undefined => one.quantiles.find(quantile => Math.abs(quantile.level - wanted) < 1e-9)?.forecast;
  const low = find(below), high = find(above);
  return low && high ? score(low, high) : Number.NaN;
}

/**
 * The two quantiles that bound an interval: 80 is 0.1 and 0.9.
 *
 * @throws ConfigError for a level that is no percentage between 0 and 100.
 */
export function levelToQuantiles(level: number): [number, number] {
  if (!(level > 0 && level < 100)) throw new ConfigError(`level: got ${level}, expected a percentage between 0 and 100, such as 80 or 95.`);
  const below = Math.round((100 - level) * 5e5) / 1e8;
  return [below, 1 - below];
}
