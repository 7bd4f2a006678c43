import { DataError } from '@mamba360/ssm/errors';
import { fromWallClock, toWallClock } from './time-zone.ts';
import type { TimeZone } from './time-zone.ts';
import type { ParsedTime } from './parse-time.ts';
import { Table } from './table.ts';
import type { Series, TableShape } from './table.ts';

/** A Float64Array that doubles when it is full, so that a file of unknown length is read with 8 bytes a number. */
class GrowingArray {
  #data = new Float64Array(64);
  #length = 0;

  push(value: number): void {
    if (this.#length === this.#data.length) {
      const larger = new Float64Array(this.#data.length * 2);
      larger.set(this.#data);
      this.#data = larger;
    }
    this.#data[this.#length++] = value;
  }

  get last(): number {
    return this.#length === 0 ? Number.NaN : this.#data[this.#length - 1];
  }

  finish(): Float64Array {
    return this.#data.slice(0, this.#length);
  }
}

interface Growing { times: GrowingArray; rows: GrowingArray; columns: GrowingArray[]; labels: Record<string, string> }

/** Sums of squares of larger numbers leave the range of a double. */
const LARGEST = 1e100;

/** Collects rows in any order and sorts them into series. */
export class TableBuilder {
  readonly #columns: readonly string[];
  readonly #zone: TimeZone;
  readonly #series = new Map<string, Growing>();
  #rowCount = 0;

  constructor(columns: readonly string[], zone: TimeZone) {
    this.#columns = columns;
    this.#zone = zone;
  }

  /** Add one row; `values` follow the order of the columns. */
  add(id: string, time: ParsedTime, values: ArrayLike<number>, labels: Record<string, string>, row: number): void {
    let series = this.#series.get(id);
    if (!series) {
      series = { times: new GrowingArray(), rows: new GrowingArray(), columns: this.#columns.map(() => new GrowingArray()), labels };
      this.#series.set(id, series);
    }
    for (const [name, text] of Object.entries(labels)) {
      if (series.labels[name] !== text) {
        throw new DataError(
          `row ${row}: the column "${name}" of series "${id}" changes from "${series.labels[name]}" to "${text}", expected one value a series. `
          + 'Use it as the id, or leave it out.');
      }
    }
    series.times.push(this.#place(time, series.times.last));
    series.rows.push(row);
    this.#rowCount++;
    for (let index = 0; index < values.length; index++) {
      if (Number.isFinite(values[index]) && Math.abs(values[index]) > LARGEST) {
        throw new DataError(`row ${row}, column "${this.#columns[index]}": got ${values[index]}, expected a number between -1e100 and 1e100. Correct it, or choose a larger unit.`);
      }
      series.columns[index].push(values[index]);
    }
  }

  get rowCount(): number {
    return this.#rowCount;
  }

  build(shape: TableShape): Table {
    const series = [...this.#series].map(([id, { times, rows, columns, labels }]) => {
      const values: Record<string, Float64Array> = {};
      this.#columns.forEach((column, index) => { values[column] = columns[index].finish(); });
      return sortByTime({ id, times: times.finish(), rows: rows.finish(), values, labels });
    });
    return new Table(series, { ...shape, zone: this.#zone });
  }

  /** An autumn hour comes twice on a local clock: the row that would repeat the one before it, or run back, is the second. */
  #place(time: ParsedTime, previous: number): number {
    if (time.instant !== undefined) return time.instant;
    const wall = time.wall ?? Number.NaN;
    const first = fromWallClock(wall, this.#zone, 'first');
    if (!(first <= previous)) return first;
    const last = fromWallClock(wall, this.#zone, 'last');
    return last > previous && toWallClock(last, this.#zone) === wall ? last : first;
  }
}

/** Stable, and free where the rows are already in order. */
function sortByTime(series: Series): Series {
  const { times } = series;
  let sorted = true;
  for (let row = 1; row < times.length && sorted; row++) sorted = times[row] >= times[row - 1];
  if (sorted) return series;
  const order = Uint32Array.from(times.keys()).sort((a, b) => times[a] - times[b] || a - b);
  const pick = (array: Float64Array): Float64Array => Float64Array.from(order, index => array[index]);
  const values = Object.fromEntries(Object.entries(series.values).map(([name, array]) => [name, pick(array)]));
  return { ...series, times: pick(times), values, ...(series.rows ? { rows: pick(series.rows) } : {}) };
}
