import { ConfigError, DataError } from '@mamba360/ssm/errors';
import { formatTime } from './format-time.ts';
import { addSteps, formatFrequency, parseFrequency, stepsBetween } from './frequency.ts';
import type { Frequency } from './frequency.ts';
import type { Series, Table } from './table.ts';

export type FillMethod = 'mask' | 'forward' | 'linear' | 'zero';

export interface FillGapsOptions {
  /** Distance between rows. Default: found from the stamps. */
  readonly frequency?: string | Frequency;
  /** `mask` leaves NaN (masked in training), `forward` repeats the last value, `linear` joins the neighbours. Default: `mask`. */
  readonly fill?: FillMethod;
  /** What to do with rows of one stamp. Default: `error`. */
  readonly duplicates?: 'error' | 'first' | 'last' | 'mean';
}

const FILLS: readonly FillMethod[] = ['mask', 'forward', 'linear', 'zero'];
/** A wrong frequency (seconds for monthly rows) would fill the memory: stop before. */
const MOST_NEW_ROWS_EACH = 1000;

/**
 * Put every series on a regular grid.
 *
 * @returns a table whose stamps are all one step apart.
 * @throws DataError for repeated stamps (unless `duplicates` says what to do), stamps off the grid, or a grid a thousand times larger than the data.
 * @remarks `forward` looks back only. `linear` looks ahead to the next known value: use it on training rows, not on rows you score.
 */
export function fillGaps(table: Table, options: FillGapsOptions): Table {
  const fill = options.fill ?? 'mask';
  if (!FILLS.includes(fill)) throw new ConfigError(`fillGaps: got fill "${String(fill)}", expected ${FILLS.join(', ')}.`);
  const frequency = options.frequency === undefined ? table.frequency : parseFrequency(options.frequency);
  const series = table.series.map(one => fillSeries(mergeDuplicates(one, options.duplicates ?? 'error', table), frequency, fill, table));
  return table.with(series, { frequency });
}

function fillSeries(series: Series, frequency: Frequency, fill: FillMethod, table: Table): Series {
  const { times } = series;
  const slots = new Float64Array(times.length);
  for (let row = 1; row < times.length; row++) {
    const steps = stepsBetween(times[0], times[row], frequency, table.zone);
    if (Number.isNaN(steps)) {
      throw new DataError(
        `fillGaps: series "${series.id}" has the stamp ${formatTime(times[row], undefined, table.zone)}, off the grid of frequency ${formatFrequency(frequency)} `
        + `that starts at ${formatTime(times[0], undefined, table.zone)}. Pass the right frequency, or resample.`);
    }
    slots[row] = steps;
  }
  const length = times.length === 0 ? 0 : slots[slots.length - 1] + 1;
  if (length > Math.max(times.length, 100) * MOST_NEW_ROWS_EACH) {
    throw new DataError(
      `fillGaps: series "${series.id}" would grow from ${times.length} to ${length} rows at frequency ${formatFrequency(frequency)}. The frequency is too fine: pass the right one.`);
  }
  const filledTimes = Float64Array.from({ length }, (_, step) => addSteps(times[0], step, frequency, table.zone));
  const values: Record<string, Float64Array> = {};
  for (const [column, array] of Object.entries(series.values)) {
    const filled = new Float64Array(length).fill(Number.NaN);
    slots.forEach((slot, row) => { filled[slot] = array[row]; });
    values[column] = fillMissing(filled, fill);
  }
  return { id: series.id, times: filledTimes, values, labels: series.labels };
}

/** Fill NaN in place. Values before the first known one take it under `linear`, stay missing under `forward`. */
export function fillMissing(values: Float64Array, fill: FillMethod): Float64Array {
  if (fill === 'mask') return values;
  let known = -1;
  for (let row = 0; row < values.length; row++) {
    if (Number.isFinite(values[row])) {
      if (fill === 'linear' && row - known > 1) joinLine(values, known, row);
      known = row;
    } else if (fill === 'zero') values[row] = 0;
    else if (fill === 'forward' && known >= 0) values[row] = values[known];
  }
  if (fill === 'linear' && known >= 0) values.fill(values[known], known);
  return values;
}

function joinLine(values: Float64Array, from: number, to: number): void {
  for (let row = from + 1; row < to; row++) {
    values[row] = from < 0 ? values[to] : values[from] + (values[to] - values[from]) * (row - from) / (to - from);
  }
}

function mergeDuplicates(series: Series, duplicates: 'error' | 'first' | 'last' | 'mean', table: Table): Series {
  const { times } = series;
  const starts: number[] = [];
  for (let row = 0; row < times.length; row++) {
    if (row === 0 || times[row] !== times[row - 1]) starts.push(row);
    else if (duplicates === 'error') {
      throw new DataError(
        `fillGaps: series "${series.id}" has the stamp ${formatTime(times[row], undefined, table.zone)} more than once. `
        + 'Name the column that tells the series apart (id), or pass duplicates: "first", "last" or "mean".');
    }
  }
  if (starts.length === times.length) return series;
  const merge = (array: Float64Array): Float64Array => Float64Array.from(starts, (start, index) => {
    const group = array.subarray(start, starts[index + 1] ?? times.length);
    if (duplicates === 'first') return group[0];
    if (duplicates === 'last') return group[group.length - 1];
    const known = group.filter(Number.isFinite);
    return known.length === 0 ? Number.NaN : known.reduce((a, b) => a + b, 0) / known.length;
  });
  const values = Object.fromEntries(Object.entries(series.values).map(([name, array]) => [name, merge(array)]));
  return { id: series.id, labels: series.labels, times: Float64Array.from(starts, start => times[start]), values };
}
