import { DataError } from '@mamba360/ssm/errors';
import { calendarFeatureNames, calendarFeatures } from '../data/calendar-features.ts';
import { addSteps, parseFrequency } from '../data/frequency.ts';
import { Scaler } from '../data/scaler.ts';
import type { ScalerState } from '../data/scaler.ts';
import type { Series, Table } from '../data/table.ts';
import type { ForecasterConfig } from './forecaster-options.ts';

/** Slots a label column may use; later values share the slot for the unknown. */
const SLOTS = 32;

/** Everything fitted on training rows besides the weights: saved as `preprocessing.json`. */
export interface Preprocessing {
  readonly targets: readonly string[];
  readonly scaler: ScalerState;
  /** Over all series: a covariate keeps its level differences between them. */
  readonly covariates: Readonly<Record<string, { readonly shift: number; readonly scale: number }>>;
  /** Slot of each label value, from 1; 0 is for values not seen. */
  readonly labels: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** A series with its features, row by row. */
export interface PreparedSeries {
  readonly id: string;
  readonly times: Float64Array;
  /** Raw target columns. */
  readonly targets: readonly Float64Array[];
  /** [rows + ahead, pastFeatures]: past covariates (after the last row their last value), future covariates, calendar. */
  readonly past: Float32Array;
  /** [rows + ahead, futureFeatures]: future covariates, calendar. */
  readonly future: Float32Array;
  readonly statics: Float32Array;
  /** Scale of each target over the training rows. */
  readonly scales: readonly number[];
}

/** Widths of the features by configuration. */
export function featureWidths(config: ForecasterConfig): { past: number; future: number; statics: number } {
  const calendar = config.calendar ? calendarFeatureNames(parseFrequency(config.frequency)).length : 0;
  return { past: config.past.length + config.future.length + calendar, future: config.future.length + calendar, statics: config.statics.length * SLOTS };
}

/** Fit scalers and label slots on training rows; nothing else may be passed. */
export function fitPreprocessing(training: readonly Series[], targets: readonly string[], config: ForecasterConfig): Preprocessing {
  const columns = [...config.past, ...config.future];
  const labels: Record<string, Record<string, number>> = {};
  for (const name of config.statics) {
    const values = [...new Set(training.map(series => series.labels[name]))].sort();
    labels[name] = Object.fromEntries(values.slice(0, SLOTS - 1).map((value, index) => [value, index + 1]));
  }
  const common = Scaler.fit(training, columns, 'standard').state.common;
  return {
    targets, labels, scaler: Scaler.fit(training, targets, config.scaler).state,
    covariates: Object.fromEntries(columns.map((column, index) => [column, common[index]])),
  };
}

/**
 * Add features to the series of a table.
 *
 * @param future - rows after the table with the columns known ahead.
 * @param ahead - rows of features to prepare after the last row of each series.
 * @throws DataError for missing columns, or rows ahead that `future` does not hold.
 */
export function prepareSeries(table: Table, config: ForecasterConfig, fitted: Preprocessing, ahead = 0, future?: Table): PreparedSeries[] {
  for (const column of [...fitted.targets, ...config.past, ...config.future]) {
    if (table.series.some(series => !Object.hasOwn(series.values, column))) {
      throw new DataError(`Forecaster: the table has no column "${column}", it has ${Object.keys(table.series[0].values).join(', ')}. Name it as target or covariate when reading.`);
    }
  }
  const scaler = new Scaler(fitted.scaler);
  return table.series.map(series => prepareOne(series, table, config, fitted, scaler, ahead, future));
}

function prepareOne(series: Series, table: Table, config: ForecasterConfig, fitted: Preprocessing, scaler: Scaler, ahead: number, future: Table | undefined): PreparedSeries {
  const rows = series.times.length;
  const frequency = parseFrequency(config.frequency);
  const times = new Float64Array(rows + ahead);
  times.set(series.times);
  for (let step = 0; step < ahead; step++) times[rows + step] = addSteps(series.times[rows - 1], step + 1, frequency, table.zone);
  const calendar = config.calendar ? calendarFeatures(times, frequency, table.zone) : new Float32Array(0);
  const calendarWidth = calendar.length / times.length;
  const known = config.future.map(column => {
    const values = new Float64Array(rows + ahead);
    values.set(series.values[column]);
    if (ahead > 0) values.set(knownAhead(series.id, column, times.subarray(rows), future), rows);
    return standardise(values, fitted.covariates[column]);
  });
  const past = config.past.map(column => {
    const values = new Float64Array(rows + ahead).fill(series.values[column][rows - 1], rows);
    values.set(series.values[column]);
    return standardise(values, fitted.covariates[column]);
  });
  const statics = new Float32Array(config.statics.length * SLOTS);
  config.statics.forEach((name, index) => {
    const value = series.labels[name];
    if (value === undefined) throw new DataError(`Forecaster: series "${series.id}" has no label "${name}". Name it in "labels" when reading.`);
    statics[index * SLOTS + (Object.hasOwn(fitted.labels[name], value) ? fitted.labels[name][value] : 0)] = 1;
  });
  return {
    id: series.id, times: series.times, targets: fitted.targets.map(column => series.values[column]), statics,
    past: join([...past, ...known], calendar, calendarWidth, rows + ahead), future: join(known, calendar, calendarWidth, rows + ahead),
    scales: fitted.targets.map(column => scaler.of(series.id, column).scale),
  };
}

function knownAhead(id: string, column: string, times: Float64Array, future: Table | undefined): Float64Array {
  const series = future?.series.find(one => one.id === id);
  const values = series?.values[column];
  if (!series || !values) throw new DataError(`forecast: the covariate "${column}" of series "${id}" is known ahead, but "future" does not hold it. Pass a table with its next ${times.length} rows.`);
  const rowOf = new Map(Array.from(series.times, (time, row) => [time, row]));
  return Float64Array.from(times, time => {
    const row = rowOf.get(time);
    if (row === undefined) throw new DataError(`forecast: "future" has no row of series "${id}" at ${new Date(time).toISOString()}, expected ${times.length} rows after the history.`);
    return values[row];
  });
}

/** Missing covariates become their mean, which is 0. */
function standardise(values: Float64Array, { shift, scale }: { shift: number; scale: number }): Float32Array {
  return Float32Array.from(values, value => (Number.isFinite(value) ? (value - shift) / scale : 0));
}

function join(columns: readonly Float32Array[], calendar: Float32Array, calendarWidth: number, rows: number): Float32Array {
  const width = columns.length + calendarWidth;
  const out = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    columns.forEach((column, index) => { out[row * width + index] = column[row]; });
    out.set(calendar.subarray(row * calendarWidth, (row + 1) * calendarWidth), row * width + columns.length);
  }
  return out;
}
