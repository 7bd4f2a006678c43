import { ConfigError, DataError } from '@mamba360/ssm/errors';
import { parseFrequency } from '../data/frequency.ts';
import type { Table } from '../data/table.ts';
import type { WindowPlace } from '../data/windows.ts';
import type { Metric } from '../metrics/metric.ts';
import { Forecast } from './forecast-result.ts';
import { baselineMethods, formatScores, scoreCuts } from './score.ts';
import type { BaselineOptions, Cut, ScoreRow } from './score.ts';
import type { PreparedSeries } from './prepare.ts';

export interface BacktestOptions {
  /** Number of forecasts of each series. Default: 4. */
  readonly windows?: number;
  /** Rows between them. Default: the horizon. */
  readonly stride?: number;
  /** Train again before each, on the rows before it. Default: false. */
  readonly refit?: boolean;
  /** Intervals in percent. Default: those of the loss, else none. */
  readonly level?: readonly number[];
  /** As in `forecast`: mean and bounds are clipped to it before they are scored. */
  readonly minimum?: number;
  readonly signal?: AbortSignal;
}

/** Forecasts from several moments of the past beside what came true. */
export class Backtest {
  /** One for each moment, oldest first. */
  readonly forecasts: readonly Forecast[];
  readonly table: Table;
  readonly #model: string;
  readonly #series: readonly PreparedSeries[];
  readonly #cuts: readonly Cut[];
  readonly #baselines: BaselineOptions;
  #methods: ReturnType<typeof baselineMethods> | undefined;

  constructor(parts: { forecasts: readonly Forecast[]; table: Table; model: string; series: readonly PreparedSeries[]; cuts: readonly Cut[]; baselines: BaselineOptions }) {
    this.forecasts = parts.forecasts;
    this.table = parts.table;
    this.#model = parts.model;
    this.#series = parts.series;
    this.#cuts = parts.cuts;
    this.#baselines = parts.baselines;
  }

  /**
   * Score the model, and beside it naive, seasonal naive, drift, window mean and ridge on the same windows.
   *
   * @param options.target - score one column only. Default: all together.
   * @returns rows with a `toString()` that prints the table; the first row is the model.
   */
  score(metrics: readonly Metric[], options: { target?: string } = {}): ScoreTable {
    const column = options.target === undefined ? -1 : this.table.targets.indexOf(options.target);
    if (options.target !== undefined && column < 0) throw new DataError(`score: got the target "${options.target}", expected one of ${this.table.targets.join(', ')}.`);
    const cuts = column < 0 ? this.#cuts : this.#cuts.filter(cut => cut.column === column);
    this.#methods ??= baselineMethods(this.#series, this.#baselines);
    return new ScoreTable(scoreCuts(this.#model, this.#series, cuts, metrics, this.#methods), metrics);
  }
}

/** Rows of scores, the model first. */
export class ScoreTable {
  readonly rows: readonly ScoreRow[];
  readonly #metrics: readonly Metric[];

  constructor(rows: readonly ScoreRow[], metrics: readonly Metric[]) {
    this.rows = rows;
    this.#metrics = metrics;
  }

  get model(): ScoreRow {
    return this.rows[0];
  }

  /** The row of a baseline by the start of its name, such as `seasonal naive`. */
  of(name: string): ScoreRow | undefined {
    return this.rows.find(row => row.method.startsWith(name));
  }

  toString(): string {
    return formatScores(this.rows, this.#metrics);
  }
}

/**
 * Where the windows of a backtest lie: the last one ends with the last row.
 *
 * @returns one list of places for each moment, oldest first.
 * @throws DataError for a series too short for all of them.
 */
export function backtestPlaces(table: Table, inputSize: number, horizon: number, windows: number, stride: number): WindowPlace[][] {
  for (const [name, value] of Object.entries({ windows, stride })) {
    if (!Number.isSafeInteger(value) || value < 1) throw new ConfigError(`backtest: ${name} is ${value}, expected a whole number of at least 1.`);
  }
  const needed = inputSize + horizon + (windows - 1) * stride;
  table.series.forEach(({ id, times }) => {
    if (times.length >= needed) return;
    throw new DataError(`backtest: series "${id}" has ${times.length} rows, expected at least ${needed} (input size ${inputSize}, ${windows} windows of ${horizon} every ${stride}). Ask for fewer windows, or leave the series out.`);
  });
  return Array.from({ length: windows }, (_, index) => table.series.map(({ times }, series) => ({ series, start: times.length - horizon - inputSize - (windows - 1 - index) * stride })));
}

/** A `Forecast` of one moment, from the columns of each series. */
export function forecastAt(table: Table, frequency: string, places: readonly WindowPlace[], inputSize: number, horizon: number, columns: (series: number) => Forecast['series'][number]['columns'], shape: { targets: readonly string[]; levels: readonly number[]; madeBy: string }): Forecast {
  const series = places.map(({ series: index, start }) => {
    const { id, times } = table.series[index];
    return { id, times: times.subarray(start + inputSize, start + inputSize + horizon), columns: columns(index) };
  });
  return new Forecast(series, { ...shape, frequency: parseFrequency(frequency), zone: table.zone, idName: table.idName, timeName: table.timeName });
}
