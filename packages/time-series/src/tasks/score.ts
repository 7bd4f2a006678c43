import { drift, naive, seasonalNaive, windowMean } from '../baselines/naive.ts';
import type { BaselineForecast } from '../baselines/naive.ts';
import { fitRidge } from '../baselines/ridge.ts';
import { levelToQuantiles } from '../metrics/metric.ts';
import type { Metric, ScoredForecast } from '../metrics/metric.ts';
import type { ColumnForecast } from './forecast-result.ts';
import type { PreparedSeries } from './prepare.ts';

/** Rows of one series and column before a forecast, and what came true. */
export interface Cut {
  readonly series: number;
  readonly column: number;
  /** First row forecast. */
  readonly row: number;
  readonly forecast: ColumnForecast;
}

/** One line of a score table. */
export interface ScoreRow { readonly method: string; readonly scores: Readonly<Record<string, number>> }

export interface BaselineOptions {
  readonly season: number;
  readonly inputSize: number;
  readonly horizon: number;
  /** Rows before this one train the ridge; none after it is looked at. */
  readonly trainEnd: readonly number[];
}

/** Scores of the model and of the built-in baselines over the same cuts. */
export function scoreCuts(model: string, series: readonly PreparedSeries[], cuts: readonly Cut[], metrics: readonly Metric[], methods: Readonly<Record<string, BaselineForecast>>): ScoreRow[] {
  const rows = [scoreMethod(model, series, cuts, metrics, cut => cut.forecast)];
  for (const [name, method] of Object.entries(methods)) {
    rows.push(scoreMethod(name, series, cuts, metrics, ({ series: index, column, row, forecast }) => ({
      mean: method(series[index].targets[column].subarray(0, row), forecast.mean.length), intervals: [],
    })));
  }
  return rows;
}

/** Naive, seasonal naive, drift, window mean, and a ridge regression where the training rows allow one. */
export function baselineMethods(series: readonly PreparedSeries[], options: BaselineOptions): Record<string, BaselineForecast> {
  const { season, inputSize, horizon, trainEnd } = options;
  const methods: Record<string, BaselineForecast> = { naive };
  if (season > 1) methods[`seasonal naive (${season})`] = seasonalNaive(season);
  methods.drift = drift;
  methods[`mean of ${inputSize}`] = windowMean(inputSize);
  // In units of each series' scale, so that a large series does not decide the weights of all; the map itself does not depend on the unit.
  const training = series.flatMap((one, index) => one.targets.map((column, c) => column.subarray(0, trainEnd[index]).map(value => value / one.scales[c])));
  const longest = training.reduce((most, rows) => Math.max(most, rows.length), 0);
  if (longest >= inputSize + horizon) {
    const ridge = fitRidge(training, { inputSize, horizon, penalty: 'auto' });
    methods[`ridge on ${inputSize}`] = (history, steps) => ridge.forecast(history, steps);
  }
  return methods;
}

function scoreMethod(method: string, series: readonly PreparedSeries[], cuts: readonly Cut[], metrics: readonly Metric[], make: (cut: Cut) => ColumnForecast): ScoreRow {
  const sums = metrics.map(() => ({ sum: 0, count: 0 }));
  for (const cut of cuts) {
    const { series: index, column, row } = cut;
    const values = series[index].targets[column];
    const { mean, intervals } = make(cut);
    const one: ScoredForecast = {
      truth: values.subarray(row, row + mean.length), mean, training: values.subarray(0, row), scale: series[index].scales[column],
      quantiles: intervals.length === 0 ? [] : quantilesOf(mean, intervals),
    };
    metrics.forEach((metric, m) => {
      const score = metric.evaluate(one);
      if (Number.isNaN(score)) return;
      sums[m].sum += score;
      sums[m].count++;
    });
  }
  const scores = Object.fromEntries(metrics.map((metric, m) => {
    const mean = sums[m].count === 0 ? Number.NaN : sums[m].sum / sums[m].count;
    return [metric.name, metric.finish ? metric.finish(mean) : mean];
  }));
  return { method, scores };
}

function quantilesOf(mean: Float64Array, intervals: ColumnForecast['intervals']): { level: number; forecast: Float64Array }[] {
  const bounds = intervals.flatMap(({ level, low, high }) => {
    const [below, above] = levelToQuantiles(level);
    return [{ level: below, forecast: low }, { level: above, forecast: high }];
  });
  return [...bounds, { level: 0.5, forecast: mean }].sort((a, b) => a.level - b.level);
}

/** Scores as text: one line a method, the best of each column marked with a star (the nearest to the target for coverage). */
export function formatScores(rows: readonly ScoreRow[], metrics: readonly Metric[]): string {
  const distance = (metric: Metric, value: number): number => Math.abs(value - (metric.target ?? 0));
  const best = metrics.map(metric => Math.min(...rows.map(row => row.scores[metric.name]).filter(value => !Number.isNaN(value)).map(value => distance(metric, value))));
  const cells = rows.map(row => [row.method, ...metrics.map((metric, m) => {
    const value = row.scores[metric.name];
    return Number.isNaN(value) ? '-' : `${formatScore(value)}${distance(metric, value) === best[m] ? ' *' : '  '}`;
  })]);
  const all = [['', ...metrics.map(metric => `${metric.name}  `)], ...cells];
  const widths = all[0].map((_, column) => Math.max(...all.map(line => line[column].length)));
  return all.map(line => line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('  ').trimEnd()).join('\n');
}

/** Four significant digits, whole numbers where they are large. */
export function formatScore(value: number): string {
  return Math.abs(value) >= 1000 ? String(Math.round(value)) : value.toPrecision(4);
}
