import { ConfigError, DataError } from '@mamba360/ssm/errors';
import type { Table } from '../data/table.ts';
import { windowsOf } from '../data/windows.ts';
import type { WindowPlace } from '../data/windows.ts';
import type { ForecasterConfig } from './forecaster-options.ts';

/** A share of the rows (0 to below 1), a number of last rows, or none. */
export type Held = number | { readonly lastSteps: number } | false;

/** Which rows of each series may be targets of what: training [0, trainEnd), validation [trainEnd, validationEnd), calibration [validationEnd, rows). */
export interface Partition {
  readonly trainEnd: readonly number[];
  readonly validationEnd: readonly number[];
  readonly training: WindowPlace[];
  readonly validation: WindowPlace[];
  readonly calibration: WindowPlace[];
  /** True where the validation windows serve as calibration too, because the series are too short for both. */
  readonly shared: boolean;
}

/**
 * Cut each series in time: training first, then validation, then calibration; none sees the targets of another.
 *
 * @throws DataError where a series is too short for one training window; the message gives id, rows and rows needed.
 */
export function partition(table: Table, config: ForecasterConfig, validation: Held, calibration: Held, stride = 1): Partition {
  const { inputSize, horizon } = config;
  const rowsOf = table.series.map(series => series.times.length);
  const calibrationRows = rowsOf.map(rows => heldRows(calibration, rows, horizon, 'calibration'));
  const validationRows = rowsOf.map(rows => heldRows(validation, rows, horizon, 'validation'));
  const room = (index: number, held: number): boolean => rowsOf[index] - held >= inputSize + horizon;
  // A series with room for one held part only gives it to validation, and the same windows calibrate.
  const shared = rowsOf.some((_, index) => calibrationRows[index] > 0 && validationRows[index] > 0 && !room(index, calibrationRows[index] + validationRows[index]));
  const validationEnd = rowsOf.map((rows, index) => rows - (shared ? 0 : calibrationRows[index]));
  const trainEnd = validationEnd.map((end, index) => end - validationRows[index]);
  table.series.forEach(({ id }, index) => {
    if (trainEnd[index] >= inputSize + horizon) return;
    const held = rowsOf[index] - trainEnd[index];
    throw new DataError(
      `fit: series "${id}" has ${rowsOf[index]} rows, ${held} of them held back, expected at least ${inputSize + horizon + held} (input size ${inputSize} + horizon ${horizon} + held back). `
      + 'Give more rows, ask for a smaller inputSize or horizon, hold back less (validation, calibration), or leave the series out.');
  });
  const common = { inputSize, horizon };
  const places = {
    training: windowsOf(table.series, { ...common, stride, to: (_, index) => trainEnd[index] }),
    validation: windowsOf(table.series, { ...common, from: (_, index) => trainEnd[index], to: (_, index) => validationEnd[index] }),
    calibration: windowsOf(table.series, { ...common, from: (_, index) => validationEnd[index] }),
  };
  const reuse = shared || (calibration !== false && places.calibration.length === 0);
  return { trainEnd, validationEnd, ...places, calibration: reuse ? places.validation : places.calibration, shared: reuse && places.validation.length > 0 };
}

function heldRows(held: Held, rows: number, horizon: number, name: string): number {
  if (held === false || held === 0) return 0;
  if (typeof held === 'number') {
    if (!(held > 0 && held < 1)) throw new ConfigError(`fit: ${name} is ${held}, expected a share between 0 and 1, { lastSteps } or false.`);
    return Math.max(horizon, Math.round(rows * held));
  }
  if (!Number.isSafeInteger(held.lastSteps) || held.lastSteps < horizon) throw new ConfigError(`fit: ${name}.lastSteps is ${held.lastSteps}, expected a whole number of at least the horizon ${horizon}.`);
  return held.lastSteps;
}
