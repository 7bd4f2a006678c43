import { DataError, FileError } from '@mamba360/ssm/errors';
import { defaultSeason, formatFrequency, metrics, plots, readCsv, splitTail } from '@mamba360/time-series';
import type { Backtest, Forecast, Problem, ProblemKind, Table } from '@mamba360/time-series';
import { checkOutputs } from './check-outputs.ts';
import { chooseModel, fitModel } from './choose-model.ts';
import type { ChosenModel, ModelContext } from './choose-model.ts';
import { readForecastOptions } from './forecast-options.ts';
import type { ForecastArguments, ForecastSettings } from './forecast-options.ts';
import { forecastDocument, forecastText } from './forecast-report.ts';
import type { ForecastReport, TargetVerdict } from './forecast-report.ts';

/** Rows of context the smallest forecast needs. */
const LEAST_CONTEXT = 8;

/**
 * `mamba360 forecast`: read a CSV file, score the model on a held-back tail beside the baselines, forecast what comes next.
 *
 * @param args - words of the command line.
 * @returns one document for `--json` and the same as text. Files are written last, when nothing can fail any more but the writing.
 * @throws ConfigError, DataError, FileError with one paragraph each.
 */
export async function runForecast(args: ForecastArguments, context: ModelContext): Promise<{ document: unknown; text: string }> {
  const settings = readForecastOptions(args);
  await checkOutputs(settings);
  const { table, notes } = await readTable(settings, context.signal);
  const season = defaultSeason(table.frequency);
  const horizon = settings.horizon ?? usualHorizon(table, season, notes);
  const windows = tailWindows(table, horizon);
  const training = splitTail(table, windows * horizon).before;
  const model = await chooseModel(settings, training, horizon, context);
  try {
    context.note('scoring on the held-back tail');
    const backtest = await model.backtest(table, horizon, windows, settings.levels);
    const others = settings.compare ? await scoreOthers(settings, training, table, horizon, windows, context) : [];
    const forecast = await model.forecast(table, horizon, settings.levels);
    const report: ForecastReport = { settings, table, season, horizon, windows, model, backtest, others, verdicts: verdicts(backtest, season), forecast, notes: [...notes, ...forecast.notes] };
    await writeFiles(settings, table, forecast, backtest, model);
    return { document: forecastDocument(report), text: forecastText(report) };
  } finally {
    model.dispose();
  }
}

async function readTable(settings: ForecastSettings, signal: AbortSignal): Promise<{ table: Table; notes: string[] }> {
  const { time, target, id, frequency, timeZone, delimiter, decimal, encoding } = settings;
  const read = await readCsv(settings.file, {
    signal, ...(time !== undefined && { time }), ...(target && { target, covariates: [] }), ...(id !== undefined && { id }), ...(frequency !== undefined && { frequency }),
    ...(timeZone !== undefined && { timeZone }), ...(delimiter !== undefined && { delimiter }), ...(decimal && { decimal }), ...(encoding !== undefined && { encoding }),
  });
  const notes = [...read.notes];
  const report = read.check({ columns: read.targets });
  refuse(report, ['duplicate'], () => 'name the column that tells the series apart (--id), or leave one row a time in the file');
  refuse(report, ['off-grid'], ({ fix }) => fix.replace('pass the right frequency', 'give the right --frequency'));
  const isEmpty = ({ id, count }: Problem): boolean => read.get(id).times.length === count;
  if (settings.fill === undefined) {
    refuse(report, ['gap', 'missing-value'], problem => (problem.kind === 'missing-value' && isEmpty(problem)
      ? 'the column is empty: leave it out (--target)'
      : 'expected every row and value. Say what to do with the missing ones: --fill mask (they count as unknown), forward (the last value goes on) or zero'));
  }
  const table = settings.fill === undefined ? read.with(read.series, { frequency: report.frequency }) : read.fillGaps({ frequency: report.frequency, fill: settings.fill });
  const holes = report.of('gap', 'missing-value').reduce((sum, problem) => sum + problem.count, 0);
  if (holes > 0) notes.push(`${holes} missing rows and values: ${settings.fill === 'mask' ? 'masked' : `filled (${settings.fill})`}`);
  return { table, notes };
}

/** Stop at the first problem of these kinds, with a way out in the words of the command line. */
function refuse(report: ReturnType<Table['check']>, kinds: readonly ProblemKind[], wayOut: (problem: Problem) => string): void {
  const [first] = report.of(...kinds);
  if (!first) return;
  try {
    report.assertNo(...kinds);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    throw new DataError(error.message.replace(`; ${first.fix}.`, `; ${wayOut(first)}.`).replace(': call check() for the list', ''), { cause: error });
  }
}

/** One season; a fifth of a series that is shorter than two of them and a little context. */
function usualHorizon(table: Table, season: number, notes: string[]): number {
  const usual = Math.max(season, 6);
  const shortest = Math.min(...table.series.map(series => series.times.length));
  if (shortest >= Math.max(2 * usual, usual + LEAST_CONTEXT)) return usual;
  const horizon = Math.max(1, Math.floor(shortest / 5));
  notes.push(`${shortest} rows are few for the usual horizon of ${usual}: forecasting ${horizon} (--horizon ROWS asks for another)`);
  return horizon;
}

/** Up to four windows, at most a fifth of the shortest series, at least one. */
function tailWindows(table: Table, horizon: number): number {
  const shortest = table.series.reduce((a, b) => (b.times.length < a.times.length ? b : a));
  const rows = shortest.times.length;
  if (rows < horizon + LEAST_CONTEXT) {
    throw new DataError(`series "${shortest.id}" has ${rows} rows, expected at least ${horizon + LEAST_CONTEXT}: ${LEAST_CONTEXT} to forecast from and ${horizon} (the horizon) to score on. Give more rows, or a smaller --horizon.`);
  }
  return Math.max(1, Math.min(4, Math.floor(rows * 0.2 / horizon)));
}

async function scoreOthers(settings: ForecastSettings, training: Table, table: Table, horizon: number, windows: number, context: ModelContext): Promise<Backtest[]> {
  const scored: Backtest[] = [];
  for (const name of (['mamba', 'lstm', 'dlinear', 'identity'] as const).filter(one => one !== settings.network)) {
    const other = await fitModel(settings, training, horizon, context, name);
    try {
      scored.push(await other.backtest(table, horizon, windows, settings.levels));
    } finally {
      other.dispose();
    }
  }
  return scored;
}

/** Column by column: is the model better than repeating the last season (or the last value where there is none)? */
function verdicts(backtest: Backtest, season: number): TargetVerdict[] {
  return backtest.table.targets.map(target => {
    const scores = backtest.score([metrics.mae()], { target });
    const naive = scores.of(season > 1 ? 'seasonal naive' : 'naive')!;
    return { target, model: scores.model.scores.mae, seasonalNaive: naive.scores.mae, loses: scores.model.scores.mae > naive.scores.mae };
  });
}

async function writeFiles(settings: ForecastSettings, table: Table, forecast: Forecast, backtest: Backtest, model: ChosenModel): Promise<void> {
  const { writeFile } = await import('node:fs/promises');
  const write = async (path: string, text: string): Promise<void> => {
    await writeFile(path, text).catch((cause: unknown) => {
      throw new FileError(`${path} cannot be written (${cause instanceof Error ? cause.message : String(cause)}). Check that its folder exists and may be written.`, { cause });
    });
  };
  if (settings.plot !== undefined) {
    const drawn = forecast.series.slice(0, 5).flatMap(({ id }) => forecast.targets.map(target => plots.forecast(table, forecast, { id, target })));
    const past = forecast.series.slice(0, 1).flatMap(({ id }) => forecast.targets.map(target => plots.backtest(table, backtest.forecasts, { id, target })));
    const history = model.run && model.run.history.length > 1 ? [plots.history(model.run.history)] : [];
    if (/\.svg$/i.test(settings.plot)) await write(settings.plot, plots.toSvg(drawn[0]));
    else await write(settings.plot, plots.toHtml([...drawn, ...past, ...history], { title: `Forecast of ${settings.file}`, text: [`${forecast.series[0].times.length} rows at frequency ${formatFrequency(table.frequency)}, made by ${forecast.madeBy}.`] }));
  }
  if (settings.output !== undefined) await write(settings.output, forecast.toCsv());
  if (settings.save !== undefined) await model.save?.(settings.save);
}
