import { DataError } from '@mamba360/ssm/errors';
import { checkTable } from './check.ts';
import type { CheckOptions, CheckReport } from './check.ts';
import { detectFrequency } from './detect-frequency.ts';
import { fillGaps } from './fill-gaps.ts';
import type { FillGapsOptions } from './fill-gaps.ts';
import { formatTime } from './format-time.ts';
import type { Frequency } from './frequency.ts';
import { UTC } from './time-zone.ts';
import type { TimeZone } from './time-zone.ts';

/** One series: stamps in ascending order and one array per column, all of one length; NaN is a missing value. */
export interface Series {
  readonly id: string;
  /** Epoch milliseconds, or row numbers where the table has no clock. */
  readonly times: Float64Array;
  readonly values: Readonly<Record<string, Float64Array>>;
  /** Text columns that are constant within the series, such as a region. */
  readonly labels: Readonly<Record<string, string>>;
  /** Line of each row in the file it came from, for messages. */
  readonly rows?: Float64Array;
}

/** What a table says about its columns besides the rows. */
export interface TableShape {
  /** Columns to forecast. */
  readonly targets: readonly string[];
  /** Other numeric columns. */
  readonly covariates?: readonly string[];
  readonly zone?: TimeZone;
  /** Names of the id and time columns, used when the table is written. */
  readonly idName?: string;
  readonly timeName?: string;
  /** Known distance between rows; found from the stamps where absent. */
  readonly frequency?: Frequency | undefined;
  /** What the reader assumed, for the user to see. */
  readonly notes?: readonly string[];
}

/**
 * A long table of time series (`unique_id, ds, y` and covariates), held as one set of columns per series.
 * Tables are values: no method changes one, each returns another.
 */
export class Table {
  readonly series: readonly Series[];
  readonly targets: readonly string[];
  readonly covariates: readonly string[];
  readonly zone: TimeZone;
  readonly idName: string;
  readonly timeName: string;
  readonly notes: readonly string[];
  readonly #frequency: Frequency | undefined;

  constructor(series: readonly Series[], shape: TableShape) {
    this.series = series;
    this.targets = shape.targets;
    this.covariates = shape.covariates ?? [];
    this.zone = shape.zone ?? UTC;
    this.idName = shape.idName ?? 'unique_id';
    this.timeName = shape.timeName ?? 'ds';
    this.notes = shape.notes ?? [];
    this.#frequency = shape.frequency;
  }

  /** Rows of all series together. */
  get rowCount(): number {
    return this.series.reduce((sum, one) => sum + one.times.length, 0);
  }

  get ids(): string[] {
    return this.series.map(one => one.id);
  }

  /**
   * The distance between rows: as given, else found from the stamps of the longest series.
   *
   * @throws DataError where no distance explains half of the neighbouring rows.
   */
  get frequency(): Frequency {
    if (this.#frequency) return this.#frequency;
    const longest = this.series.reduce((a, b) => (b.times.length > a.times.length ? b : a));
    const found = detectFrequency(longest.times, this.zone);
    if (found) return found.frequency;
    if (longest.times[0] === longest.times[longest.times.length - 1]) {
      throw new DataError(
        `frequency: series "${longest.id}" has ${longest.times.length === 1 ? '1 row' : `${longest.times.length} rows, all at one time`}, expected at least 2 different times. `
        + 'Give more rows, name the column that tells series apart (id), or pass the frequency (such as h, D, M).');
    }
    throw new DataError(
      `frequency: got ${longest.times.length} rows of series "${longest.id}" whose stamps follow no regular distance, expected rows at equal steps. `
      + 'Pass the frequency (such as h, D, M), or resample the data first.');
  }

  /** The series of that id. */
  get(id: string): Series {
    const found = this.series.find(one => one.id === id);
    if (found) return found;
    const some = this.ids.slice(0, 8).map(name => `"${name}"`).join(', ');
    throw new DataError(`table: got the id "${id}", expected one of ${some}${this.series.length > 8 ? ` and ${this.series.length - 8} more` : ''}.`);
  }

  /** The same columns with other series. */
  with(series: readonly Series[], shape: Partial<TableShape> = {}): Table {
    return new Table(series, {
      targets: this.targets, covariates: this.covariates, zone: this.zone, idName: this.idName, timeName: this.timeName, notes: this.notes,
      frequency: this.#frequency, ...shape,
    });
  }

  /** Look for gaps, duplicate stamps, missing values, short and constant series. Changes nothing. */
  check(options: CheckOptions = {}): CheckReport {
    return checkTable(this, options);
  }

  /** Add the rows that are missing, and fill missing values or leave them masked (NaN). */
  fillGaps(options: FillGapsOptions = {}): Table {
    return fillGaps(this, options);
  }

  /** A stamp as text, in the zone of the table. */
  formatTime(time: number): string {
    return formatTime(time, this.#frequency ?? this.frequency, this.zone);
  }

  /** Rows one by one, as plain objects, in the order of the series. */
  * rows(): Generator<Record<string, string | number>> {
    for (const { id, times, values, labels } of this.series) {
      for (let row = 0; row < times.length; row++) {
        const out: Record<string, string | number> = { [this.idName]: id, [this.timeName]: this.formatTime(times[row]), ...labels };
        for (const column of [...this.targets, ...this.covariates]) out[column] = values[column][row];
        yield out;
      }
    }
  }
}

/** Rows `start` to `end` (excluded) of one series, sharing memory with it. */
export function sliceSeries(series: Series, start: number, end: number = series.times.length): Series {
  const values: Record<string, Float64Array> = {};
  for (const [column, array] of Object.entries(series.values)) values[column] = array.subarray(start, end);
  return { ...series, times: series.times.subarray(start, end), values, ...(series.rows ? { rows: series.rows.subarray(start, end) } : {}) };
}
