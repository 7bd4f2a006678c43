import { formatFrequency, metrics } from '@mamba360/time-series';
import type { Backtest, Forecast, ScoreRow, Table } from '@mamba360/time-series';
import { table as textTable } from '../frame/table.ts';
import type { ChosenModel } from './choose-model.ts';
import type { ForecastSettings } from './forecast-options.ts';

/** Mean absolute error on the tail of one column, of the model and of repeating the last season. */
export interface TargetVerdict { readonly target: string; readonly model: number; readonly seasonalNaive: number; readonly loses: boolean }

/** Everything one run found out. */
export interface ForecastReport {
  readonly settings: ForecastSettings;
  readonly table: Table;
  readonly season: number;
  readonly horizon: number;
  readonly windows: number;
  readonly model: ChosenModel;
  readonly backtest: Backtest;
  /** The same windows by the models of `--compare`. */
  readonly others: readonly Backtest[];
  readonly verdicts: readonly TargetVerdict[];
  readonly forecast: Forecast;
  readonly notes: readonly string[];
}

/** Lines of the forecast printed on a terminal; the rest is in --output and --json. */
const MOST_LINES = 48;

/** The report as one JSON document. */
export function forecastDocument(report: ForecastReport): unknown {
  const { settings, table, season, horizon, windows, model, verdicts, forecast, notes } = report;
  return {
    file: settings.file, rows: table.rowCount, series: table.series.length, targets: table.targets, frequency: formatFrequency(table.frequency), timeZone: table.zone.name, season, horizon,
    model: { kind: model.kind, description: model.description, trainedOn: model.trainedOn, ...(model.run && { epochs: model.run.history, bestEpoch: model.run.bestEpoch, seconds: model.run.seconds }) },
    heldBack: { windows, rowsEach: horizon, scores: scores(report).map(({ method, scores: values }) => ({ method, ...values })), byTarget: verdicts, losesToSeasonalNaive: verdicts.some(one => one.loses) },
    forecast: [...longRows(forecast)], plot: settings.plot ?? null, output: settings.output ?? null, saved: settings.save ?? null, notes,
  };
}

/** The report for people. */
export function forecastText(report: ForecastReport): string {
  const { settings, table, windows, horizon, model, season, forecast, notes } = report;
  const first = table.formatTime(Math.min(...table.series.map(series => series.times[0]))), last = table.formatTime(Math.max(...table.series.map(series => series.times[series.times.length - 1])));
  const rows = [...longRows(forecast)].map(row => Object.values(row).map(value => (typeof value === 'number' ? short(value) : String(value))));
  const header = Object.keys([...longRows(forecast)][0]);
  const cut = rows.length > MOST_LINES ? [`... and ${rows.length - MOST_LINES} lines more: --output FILE.csv or --json gives all`] : [];
  return [
    `${settings.file}: ${table.rowCount} rows, ${table.series.length} series, every ${formatFrequency(table.frequency)}, ${first} to ${last}; forecasting ${table.targets.join(', ')}`,
    ...notes.map(note => `Note: ${note}`),
    `Model: ${model.description}${model.kind === 'shipped' ? '. Nothing was fitted to this file.' : ''}`,
    ...(model.run ? [`Trained in ${model.run.seconds.toFixed(1)} s, ${model.run.history.length} epochs, ${model.run.bestEpoch === 0 ? 'none better than the ridge regression it started from' : `epoch ${model.run.bestEpoch} kept`}; the held-back tail was not part of it.`] : []),
    '',
    `Held-back tail: ${windows} window${windows > 1 ? 's' : ''} of ${horizon} rows (lower is better; * best; season ${season})`,
    scoreText(report),
    ...verdictLines(report),
    '',
    `Forecast of the next ${horizon} rows`,
    textTable(header, rows.slice(0, MOST_LINES)),
    ...cut,
    ...(settings.plot === undefined ? [] : [`Plot: ${settings.plot}`]),
    ...(settings.output === undefined ? [] : [`Table: ${settings.output}`]),
    ...(settings.save === undefined ? [] : [`Model saved: ${settings.save} (use it with --model ${settings.save})`]),
  ].join('\n');
}

function verdictLines({ verdicts, season, model }: ForecastReport): string[] {
  const rival = season > 1 ? 'seasonal naive' : 'naive';
  const lost = verdicts.filter(one => one.loses);
  if (lost.length === 0) return [`Better than ${rival} on ${verdicts.length === 1 ? 'the tail' : `all ${verdicts.length} columns of the tail`} (mean absolute error).`];
  const where = lost.map(one => `${one.target} (${short(one.model)} against ${short(one.seasonalNaive)})`).join(', ');
  return [`It loses to ${rival} on the held-back tail of ${where}, mean absolute error.`, model.kind === 'fitted' ? 'More rows, more --epochs or another --input-size may help; else use the better row above.' : 'Train a model on this file: add --fit.'];
}

function metricList({ season, settings }: ForecastReport): ReturnType<typeof metrics.mae>[] {
  return [metrics.mae({ scaled: true }), metrics.mase({ season }), metrics.crps(), ...settings.levels.map(level => metrics.coverage(level))];
}

function scores(report: ForecastReport): ScoreRow[] {
  const list = metricList(report);
  const [model, ...baselines] = report.backtest.score(list).rows;
  return [model, ...report.others.map(other => other.score(list).model), ...baselines];
}

/** The best of each metric carries a star; for a coverage the one nearest to its level. */
function scoreText(report: ForecastReport): string {
  const list = metricList(report), rows = scores(report);
  const distance = (index: number, row: ScoreRow): number => Math.abs(row.scores[list[index].name] - (list[index].target ?? 0));
  const best = list.map((_, index) => Math.min(...rows.map(row => distance(index, row)).filter(value => !Number.isNaN(value))));
  const cells = rows.map(row => [row.method, ...list.map((metric, index) => {
    const value = row.scores[metric.name];
    return Number.isNaN(value) ? '-' : `${value.toFixed(metric.target === undefined ? 3 : 1)}${distance(index, row) === best[index] ? '*' : ' '}`;
  })]);
  const all = [['', ...list.map(metric => `${metric.name} `)], ...cells];
  const widths = all[0].map((_, column) => Math.max(...all.map(line => line[column].length)));
  return all.map(line => line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('  ').trimEnd()).join('\n');
}

/** One row a series, column and step. */
function* longRows(forecast: Forecast): Generator<Record<string, string | number>> {
  const stamps = forecast.table;
  for (const { id, times, columns } of forecast.series) {
    for (const target of forecast.targets) {
      const { mean, intervals } = columns[target];
      for (let step = 0; step < mean.length; step++) {
        const row: Record<string, string | number> = { [stamps.idName]: id, ...(forecast.targets.length > 1 && { target }), [stamps.timeName]: stamps.formatTime(times[step]), mean: mean[step] };
        for (const { level, low, high } of intervals) {
          row[`lo-${level}`] = low[step];
          row[`hi-${level}`] = high[step];
        }
        yield row;
      }
    }
  }
}

function short(value: number): string {
  return Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toPrecision(5) : String(Number(value.toPrecision(5)));
}
