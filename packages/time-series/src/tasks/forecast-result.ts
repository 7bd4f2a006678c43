import type { Frequency } from '../data/frequency.ts';
import { Table } from '../data/table.ts';
import type { TimeZone } from '../data/time-zone.ts';
import { toCsv } from '../data/to-csv.ts';

/** Forecast of one column of one series. */
export interface ColumnForecast {
  /** The point forecast: the median for a quantile model. [horizon]. */
  readonly mean: Float64Array;
  readonly intervals: readonly { readonly level: number; readonly low: Float64Array; readonly high: Float64Array }[];
}

export interface SeriesForecast {
  readonly id: string;
  /** Epoch milliseconds of the rows forecast. */
  readonly times: Float64Array;
  /** By target column. */
  readonly columns: Readonly<Record<string, ColumnForecast>>;
}

export interface ForecastShape {
  readonly targets: readonly string[];
  readonly levels: readonly number[];
  readonly frequency: Frequency;
  readonly zone: TimeZone;
  readonly idName?: string;
  readonly timeName?: string;
  /** The model in words, with what it was trained on. */
  readonly madeBy: string;
  /** What the reader should know, such as an interval widened by a rule of thumb. */
  readonly notes?: readonly string[];
}

/** What `forecast()` returns: plain arrays by series and column, and the same as a table. */
export class Forecast {
  readonly series: readonly SeriesForecast[];
  readonly targets: readonly string[];
  readonly levels: readonly number[];
  readonly madeBy: string;
  readonly notes: readonly string[];
  readonly #shape: ForecastShape;

  constructor(series: readonly SeriesForecast[], shape: ForecastShape) {
    this.series = series;
    this.targets = shape.targets;
    this.levels = shape.levels;
    this.madeBy = shape.madeBy;
    this.notes = shape.notes ?? [];
    this.#shape = shape;
  }

  get(id: string): SeriesForecast | undefined {
    return this.series.find(one => one.id === id);
  }

  /** Long table: id, time, and `mean`, `lo-80`, `hi-80`, ...; with several targets each name starts with the target, such as `price-lo-80`. */
  get table(): Table {
    const names: string[] = [];
    const series = this.series.map(({ id, times, columns }) => {
      const values: Record<string, Float64Array> = {};
      for (const target of this.targets) {
        const start = this.targets.length === 1 ? '' : `${target}-`;
        values[`${start}mean`] = columns[target].mean;
        for (const { level, low, high } of columns[target].intervals) {
          values[`${start}lo-${level}`] = low;
          values[`${start}hi-${level}`] = high;
        }
      }
      if (names.length === 0) names.push(...Object.keys(values));
      return { id, times, values, labels: {} };
    });
    const { frequency, zone, idName, timeName } = this.#shape;
    return new Table(series, { targets: names, frequency, zone, ...(idName ? { idName } : {}), ...(timeName ? { timeName } : {}) });
  }

  toCsv(): string {
    return toCsv(this.table);
  }
}
