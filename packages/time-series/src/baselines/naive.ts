import { ConfigError, DataError } from '@mamba360/ssm/errors';
import { fillMissing } from '../data/fill-gaps.ts';

/** A forecast that needs no training: the rows so far to the next `horizon` values. */
export type BaselineForecast = (history: ArrayLike<number>, horizon: number) => Float64Array;

/** The last known value, again and again. */
export const naive: BaselineForecast = (history, horizon) => {
  const known = lastKnown(history, 'naive');
  return new Float64Array(horizon).fill(history[known]);
};

/**
 * The values of the last season, again and again.
 *
 * @param season - rows a period. A history shorter than a season gives the naive forecast.
 * @remarks A missing value in the last season is taken from the season before, as far back as needed.
 */
export function seasonalNaive(season: number): BaselineForecast {
  if (!Number.isInteger(season) || season < 1) throw new ConfigError(`seasonalNaive: got the season ${season}, expected an integer of at least 1.`);
  return (history, horizon) => {
    if (history.length < season) return naive(history, horizon);
    const fallback = history[lastKnown(history, 'seasonalNaive')];
    return Float64Array.from({ length: horizon }, (_, step) => {
      for (let row = history.length - season + step % season; row >= 0; row -= season) {
        if (Number.isFinite(history[row])) return history[row];
      }
      return fallback;
    });
  };
}

/** The straight line through the first and the last known value, continued. */
export const drift: BaselineForecast = (history, horizon) => {
  const last = lastKnown(history, 'drift');
  let first = 0;
  while (!Number.isFinite(history[first])) first++;
  const slope = last === first ? 0 : (history[last] - history[first]) / (last - first);
  return Float64Array.from({ length: horizon }, (_, step) => history[last] + slope * (history.length + step - last));
};

/** The mean of the last `size` rows. */
export function windowMean(size: number): BaselineForecast {
  if (!Number.isInteger(size) || size < 1) throw new ConfigError(`windowMean: got the size ${size}, expected an integer of at least 1.`);
  return (history, horizon) => {
    const known = Array.from(history).slice(-size).filter(Number.isFinite);
    const level = known.length === 0 ? history[lastKnown(history, 'windowMean')] : known.reduce((a, b) => a + b, 0) / known.length;
    return new Float64Array(horizon).fill(level);
  };
}

/** Rows of a window with missing values carried forward (the first ones backward), for methods that need every value. */
export function completeWindow(values: ArrayLike<number>): Float64Array {
  const filled = fillMissing(Float64Array.from(values), 'forward');
  const first = filled.findIndex(Number.isFinite);
  return first < 0 ? filled.fill(0) : filled.fill(filled[first], 0, first);
}

function lastKnown(history: ArrayLike<number>, name: string): number {
  for (let row = history.length - 1; row >= 0; row--) if (Number.isFinite(history[row])) return row;
  throw new DataError(`${name}: got a history of ${history.length} rows without any value, expected at least one.`);
}
