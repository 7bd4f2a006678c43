import { DataError } from '@mamba360/ssm/errors';
import { timeReader } from '../data/from-rows.ts';
import type { Row } from '../data/from-rows.ts';
import { addSteps, parseFrequency, stepsBetween } from '../data/frequency.ts';
import type { Frequency } from '../data/frequency.ts';
import { formatTime } from '../data/format-time.ts';
import { Table } from '../data/table.ts';
import type { Series } from '../data/table.ts';
import { fromWallClock, UTC } from '../data/time-zone.ts';
import type { TimeZone } from '../data/time-zone.ts';
import type { ForecasterConfig } from './forecaster-options.ts';

/** The last rows of one series, oldest first, at a cost that does not grow with the rows seen. */
class RecentRows {
  readonly #length: number;
  readonly #columns: readonly string[];
  readonly #rows: number[][] = [];
  #next = 0;
  count = 0;
  lastTime = Number.NaN;

  constructor(length: number, columns: readonly string[]) {
    this.#length = length;
    this.#columns = columns;
  }

  push(time: number, values: number[]): void {
    this.#rows[this.#next] = values;
    this.#next = (this.#next + 1) % this.#length;
    this.count++;
    this.lastTime = time;
  }

  get full(): boolean {
    return this.count >= this.#length;
  }

  toSeries(id: string, labels: Readonly<Record<string, string>>, frequency: Frequency, zone: TimeZone): Series {
    const times = new Float64Array(this.#length);
    for (let row = 0; row < this.#length; row++) times[row] = addSteps(this.lastTime, row - this.#length + 1, frequency, zone);
    const values: Record<string, Float64Array> = {};
    this.#columns.forEach((column, index) => { values[column] = Float64Array.from({ length: this.#length }, (_, row) => this.#rows[(this.#next + row) % this.#length][index]); });
    return { id, times, values, labels };
  }
}

/** Turns live rows into the table of the last `inputSize` rows of the series that the row belongs to. */
export class RowStream {
  readonly #config: ForecasterConfig;
  readonly #targets: readonly string[];
  readonly #columns: readonly string[];
  readonly #frequency: Frequency;
  readonly #zone: TimeZone;
  readonly #series = new Map<string, RecentRows>();
  readonly #readTime: ReturnType<typeof timeReader>;
  readonly #idName: string;
  #number = 0;

  /** @param history - rows before the first live one, so that forecasts start at once. */
  constructor(config: ForecasterConfig, targets: readonly string[], history?: Table) {
    this.#config = config;
    this.#targets = targets;
    this.#columns = [...targets, ...config.past, ...config.future];
    this.#frequency = parseFrequency(config.frequency);
    this.#zone = history?.zone ?? UTC;
    this.#idName = history?.idName ?? 'unique_id';
    this.#readTime = timeReader(history?.timeName ?? 'ds');
    for (const series of history?.series ?? []) {
      const recent = this.#recent(series.id);
      for (let row = Math.max(0, series.times.length - config.inputSize); row < series.times.length; row++) recent.push(series.times[row], this.#columns.map(column => series.values[column][row]));
    }
  }

  /**
   * Take one row.
   *
   * @returns the table to forecast from; undefined while the window is not full yet.
   * @throws DataError for a row that is not later than the one before it, or off the grid. Skipped rows count as missing values.
   */
  push(row: Row): { id: string; time: number; table: Table } | undefined {
    this.#number++;
    const parsed = this.#readTime(row, this.#number);
    const time = parsed.instant ?? fromWallClock(parsed.wall!, this.#zone);
    const id = row[this.#idName] === undefined || row[this.#idName] === null ? 'series' : String(row[this.#idName]);
    const recent = this.#recent(id);
    if (recent.count > 0) {
      const steps = stepsBetween(recent.lastTime, time, this.#frequency, this.#zone);
      if (!(steps >= 1)) {
        throw new DataError(
          `stream: row ${this.#number} of series "${id}" is at ${formatTime(time, this.#frequency, this.#zone)} after ${formatTime(recent.lastTime, this.#frequency, this.#zone)}, `
          + `expected a later row on the grid of frequency ${this.#config.frequency}. Sort the rows, drop repeats, or resample.`);
      }
      for (let step = 1; step < Math.min(steps, this.#config.inputSize + 1); step++) recent.push(addSteps(recent.lastTime, 1, this.#frequency, this.#zone), this.#columns.map(() => Number.NaN));
    }
    recent.push(time, this.#columns.map(column => {
      const value = row[column];
      const number = value === null || value === undefined || value === '' ? Number.NaN : Number(value);
      if (Number.isNaN(number) && value !== null && value !== undefined && value !== '' && typeof value !== 'number') throw new DataError(`stream: row ${this.#number}, column "${column}": got "${String(value)}", expected a number.`);
      return number;
    }));
    if (!recent.full) return undefined;
    const labels = Object.fromEntries(this.#config.statics.map(name => [name, String(row[name])]));
    const series = recent.toSeries(id, labels, this.#frequency, this.#zone);
    return { id, time, table: new Table([series], { targets: this.#targets, zone: this.#zone, frequency: this.#frequency }) };
  }

  #recent(id: string): RecentRows {
    let recent = this.#series.get(id);
    if (!recent) {
      recent = new RecentRows(this.#config.inputSize, this.#columns);
      this.#series.set(id, recent);
    }
    return recent;
  }
}
