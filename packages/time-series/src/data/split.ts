import { ConfigError, DataError } from '@mamba360/ssm/errors';
import { sliceSeries } from './table.ts';
import type { Table } from './table.ts';

/** Two tables that share no row. */
export interface Split { readonly before: Table; readonly after: Table }

/**
 * Cut the last `steps` rows off every series.
 *
 * @throws DataError for a series that is not longer than `steps`.
 */
export function splitTail(table: Table, steps: number): Split {
  if (!Number.isInteger(steps) || steps < 1) throw new ConfigError(`splitTail: got ${steps} steps, expected an integer of at least 1.`);
  const cut = table.series.map(series => {
    if (series.times.length <= steps) {
      throw new DataError(`splitTail: series "${series.id}" has ${series.times.length} rows, expected more than the ${steps} to hold back. Hold back fewer, or leave the series out.`);
    }
    return series.times.length - steps;
  });
  return cutAt(table, cut);
}

/** Rows before the stamp, and rows at or after it. */
export function splitAt(table: Table, time: number): Split {
  return cutAt(table, table.series.map(series => series.times.findIndex(stamp => stamp >= time)).map((row, index) => (row < 0 ? table.series[index].times.length : row)));
}

/** The first share of the rows of every series, rounded down, and the rest. */
export function splitByShare(table: Table, share: number): Split {
  if (!(share > 0 && share < 1)) throw new ConfigError(`splitByShare: got ${share}, expected a share between 0 and 1.`);
  return cutAt(table, table.series.map(series => Math.floor(series.times.length * share)));
}

function cutAt(table: Table, rows: readonly number[]): Split {
  return {
    before: table.with(table.series.map((series, index) => sliceSeries(series, 0, rows[index]))),
    after: table.with(table.series.map((series, index) => sliceSeries(series, rows[index]))),
  };
}
