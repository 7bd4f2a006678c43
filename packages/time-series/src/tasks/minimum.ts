import { ConfigError } from '@mamba360/ssm/errors';
import type { Table } from '../data/table.ts';
import type { ColumnForecast, SeriesForecast } from './forecast-result.ts';

/** @throws ConfigError unless `minimum` is absent or a finite number. */
export function checkMinimum(minimum: number | undefined, what: string): void {
  if (minimum === undefined || Number.isFinite(minimum)) return;
  throw new ConfigError(`${what}: minimum is ${String(minimum)}, expected a finite number such as 0. Leave it out where the values have no lower bound.`);
}

/** Raise the mean and every bound to `minimum` where they lie below it; the order of the bounds stays. */
export function clipBelow({ mean, intervals }: ColumnForecast, minimum: number | undefined): ColumnForecast {
  if (minimum === undefined) return { mean, intervals };
  const clip = (values: Float64Array): Float64Array => values.map(value => Math.max(value, minimum));
  return { mean: clip(mean), intervals: intervals.map(({ level, low, high }) => ({ level, low: clip(low), high: clip(high) })) };
}

/** What the reader should know: columns that no series ever saw below 0 but whose forecast goes there, and a minimum that the history itself goes below. */
export function minimumNotes(history: Table, series: readonly SeriesForecast[], targets: readonly string[], minimum: number | undefined): string[] {
  return targets.flatMap(target => {
    let lowest = 0, below = 0;
    series.forEach(({ columns }, index) => {
      const past = history.series[index].values[target];
      if (minimum !== undefined) for (const value of past) if (value < minimum) below++;
      if (past.some(value => value < 0)) return;
      const { mean, intervals } = columns[target];
      for (const values of [mean, ...intervals.map(({ low }) => low)]) for (const value of values) lowest = Math.min(lowest, value);
    });
    return [
      ...(lowest < 0 ? [`"${target}" was never below 0, but its forecast or interval goes down to ${Number(lowest.toPrecision(3))}: minimum: 0 (on the command line --minimum 0) clips it.`] : []),
      ...(below > 0 ? [`"${target}" was below the minimum of ${minimum} in ${below} of its rows; its forecast is clipped there all the same.`] : []),
    ];
  });
}
