import * as tf from '@tensorflow/tfjs';
import { kernelTargetOf, useBackend } from '@mamba360/ssm/backend';
import type { BackendName } from '@mamba360/ssm/backend';
import type { ModelSource } from '@mamba360/ssm/checkpoints';
import { ConfigError } from '@mamba360/ssm/errors';
import { assignParameters, parameterMemory } from '@mamba360/ssm/layers';
import { Random } from '@mamba360/ssm/random';
import { addSteps, parseFrequency } from '../data/frequency.ts';
import type { Row } from '../data/from-rows.ts';
import type { Table } from '../data/table.ts';
import type { ForecastNetwork } from '../models/forecast-network.ts';
import { createNetwork } from '../models/registry.ts';
import { Backtest, backtestPlaces, forecastAt } from './backtest.ts';
import type { BacktestOptions } from './backtest.ts';
import { Forecast } from './forecast-result.ts';
import { forecasterConfig, outputCount } from './forecaster-options.ts';
import type { ForecasterConfig, ForecasterOptions } from './forecaster-options.ts';
import { calibrate, columnForecast, ownLevels } from './intervals.ts';
import type { Calibrations } from './intervals.ts';
import { checkMinimum, clipBelow, minimumNotes } from './minimum.ts';
import { partition } from './partition.ts';
import { predictAhead, predictWindows } from './predict.ts';
import type { PredictOptions } from './predict.ts';
import { featureWidths, fitPreprocessing, prepareSeries } from './prepare.ts';
import { encodeForecaster, loadForecasterParts, saveForecaster } from './saved-forecaster.ts';
import type { ForecasterParts } from './saved-forecaster.ts';
import type { Cut } from './score.ts';
import { sliceSeries } from '../data/table.ts';
import { RowStream } from './stream.ts';
import { trainNetwork } from './train.ts';
import type { ForecasterFitOptions, TrainingRun } from './train.ts';

export interface ForecastOptions extends PredictOptions {
  /** Intervals in percent, such as [80, 95]. Default: none. */
  readonly level?: readonly number[];
  /** Rows to forecast from. Default: the table of the last `fit`. Series that were not trained on are welcome. */
  readonly history?: Table;
  /** Rows of the covariates known ahead. */
  readonly future?: Table;
  /** Default: the horizon it was created with; a longer one is rolled. */
  readonly horizon?: number;
  /** A series shorter than the window: stop, or treat the rows before it as missing. Default: `error`. */
  readonly short?: 'error' | 'pad';
  /** The values cannot lie below it (0 for counts): mean and bounds are clipped to it. Default: none. */
  readonly minimum?: number;
}

/** One forecast of `stream`. */
export interface StreamedForecast { readonly id: string; readonly time: number; readonly forecast: Forecast }

/**
 * Forecasts tables of series: fit, forecast with intervals, backtest, save, load, stream.
 *
 * @example
 * const forecaster = await Forecaster.create({ horizon: 24, seed: 1 });
 * await forecaster.fit(table, { epochs: 5 });
 * const forecast = await forecaster.forecast({ level: [80, 95] });
 */
export class Forecaster {
  readonly #options: ForecasterOptions;
  #parts: ForecasterParts | undefined;
  #fittedTable: Table | undefined;
  #run: TrainingRun | undefined;

  private constructor(options: ForecasterOptions, parts?: ForecasterParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /**
   * A forecaster with random weights; `fit` builds the network when it has seen the table's columns.
   *
   * @throws ConfigError for an unknown or impossible option.
   */
  static async create(options: ForecasterOptions): Promise<Forecaster> {
    forecasterConfig(options, { unit: 'D', count: 1 });
    await startBackend(options.backend);
    return new Forecaster(options);
  }

  /**
   * A forecaster that `save` wrote.
   *
   * @param source - folder, or `{ files }`.
   */
  static async load(source: ModelSource, options: { backend?: BackendName | 'auto' } = {}): Promise<Forecaster> {
    await startBackend(options.backend);
    const { weights, ...parts } = await loadForecasterParts(source);
    const network = buildNetwork(parts.config);
    try {
      assignParameters(network.parameters, weights, { what: 'Forecaster.load' });
    } catch (error) {
      network.dispose();
      throw error;
    }
    return new Forecaster(optionsOf(parts.config), { ...parts, network });
  }

  /** Complete configuration; known after `fit` or `load`. */
  get config(): ForecasterConfig {
    return this.#ready('config').config;
  }

  /** History of the last `fit`. */
  get run(): TrainingRun | undefined {
    return this.#run;
  }

  /** Which rows the weights come from, in words. */
  get trainedOn(): string {
    return this.#ready('trainedOn').trainedOn;
  }

  /**
   * Train on a table, from the seed on (a second call starts anew).
   *
   * @returns history and the epoch kept.
   * @throws DataError for repeated stamps, gaps, stamps off the grid, and series too short; missing values are masked.
   * @remarks Scalers, labels and weights see training rows only; validation rows choose the epoch, calibration rows size the intervals.
   */
  async fit(table: Table, options: ForecasterFitOptions = {}): Promise<TrainingRun> {
    const config = forecasterConfig(this.#options, this.#options.frequency === undefined ? table.frequency : parseFrequency(this.#options.frequency));
    table.check({ frequency: config.frequency, columns: [] }).assertNo('duplicate', 'off-grid', 'gap');
    const parts = partition(table, config, options.validation ?? 0.1, options.calibration ?? 0.1, options.stride);
    const fitted = fitPreprocessing(table.series.map((series, index) => sliceSeries(series, 0, parts.trainEnd[index])), table.targets, config);
    const series = prepareSeries(table, config, fitted);
    const network = buildNetwork(config);
    try {
      const run = await trainNetwork(network, series, parts, config, options);
      const held = parts.calibration;
      const calibrations: Calibrations = options.calibration === false || held.length === 0 ? new Map()
        : calibrate(await predictWindows(network, series, held, config, { signal: options.signal }), series, held, config);
      this.#parts?.network.dispose();
      this.#parts = { config, network, fitted, calibrations, trainedOn: describeTraining(table, parts.trainEnd) };
      this.#fittedTable = table;
      this.#run = run;
      return run;
    } catch (error) {
      network.dispose();
      throw error;
    }
  }

  /** Forecast the rows after the history, with intervals for every level asked for. */
  async forecast(options: ForecastOptions = {}): Promise<Forecast> {
    const { config, network, fitted, calibrations } = this.#ready('forecast');
    const history = options.history ?? this.#fittedTable;
    if (!history) throw new ConfigError('forecast: a loaded forecaster knows no rows. Pass the rows to forecast from (history).');
    const steps = options.horizon ?? config.horizon;
    if (!Number.isSafeInteger(steps) || steps < 1 || steps > 100_000) throw new ConfigError(`forecast: horizon is ${steps}, expected a whole number of rows from 1 to 100,000.`);
    checkMinimum(options.minimum, 'forecast');
    history.check({ frequency: config.frequency, columns: [] }).assertNo('duplicate', 'off-grid', 'gap');
    const levels = options.level ?? [];
    const made = await predictAhead(network, history, config, fitted, steps, options);
    const ahead = prepareTimes(history, config, steps);
    const series = history.series.map(({ id }, window) => ({
      id, times: ahead[window],
      columns: Object.fromEntries(fitted.targets.map((target, column) => [target, clipBelow(columnForecast(made, window, column, levels, config, calibrations), options.minimum)])),
    }));
    const rolled = steps > config.horizon ? [`Rows ${config.horizon + 1} to ${steps} are rolled: forecasts that build on forecasts.`] : [];
    const notes = [...rolled, ...minimumNotes(history, series, fitted.targets, options.minimum)];
    return new Forecast(series, {
      targets: fitted.targets, levels, frequency: parseFrequency(config.frequency), zone: history.zone, idName: history.idName, timeName: history.timeName, notes,
      madeBy: this.describe(),
    });
  }

  /**
   * Forecast from several moments of the past and compare with what came true.
   *
   * @remarks Each forecast sees only rows before it. Without `refit` the weights come from the last fit: hold the scored rows out of it.
   */
  async backtest(table: Table, options: BacktestOptions = {}): Promise<Backtest> {
    const { config, fitted } = this.#ready('backtest');
    checkMinimum(options.minimum, 'backtest');
    const { inputSize, horizon } = config;
    const places = backtestPlaces(table, inputSize, horizon, options.windows ?? 4, options.stride ?? horizon);
    const levels = options.level ?? ownLevels(config);
    const series = prepareSeries(table, config, fitted);
    const cuts: Cut[] = [], forecasts: Forecast[] = [];
    const flat = places.flat();
    const together = options.refit ? undefined : await predictWindows(this.#ready('backtest').network, series, flat, config, options);
    for (const [moment, own] of places.entries()) {
      let parts = this.#ready('backtest'), made = together;
      if (!made) {
        const before = table.with(table.series.map((one, index) => sliceSeries(one, 0, own[index].start + inputSize)));
        const fresh = await Forecaster.create({ ...this.#options, ...optionsOf(config) });
        try {
          await fresh.fit(before, options.signal ? { signal: options.signal } : {});
          parts = fresh.#ready('backtest');
          made = await predictWindows(parts.network, prepareSeries(table, config, parts.fitted), own, config, options);
        } finally {
          fresh.dispose();
        }
      }
      const offset = together ? moment * own.length : 0;
      const result = made;
      forecasts.push(forecastAt(table, config.frequency, own, inputSize, horizon, index => Object.fromEntries(fitted.targets.map((target, column) => {
        const forecast = clipBelow(columnForecast(result, offset + index, column, levels, config, parts.calibrations), options.minimum);
        cuts.push({ series: index, column, row: own[index].start + inputSize, forecast });
        return [target, forecast];
      })), { targets: fitted.targets, levels, madeBy: this.describe() }));
    }
    const baselines = { season: config.season, inputSize, horizon, trainEnd: places[0].map(({ start }) => start + inputSize) };
    return new Backtest({ forecasts, table, model: config.model, series, cuts, baselines });
  }

  /**
   * A forecast after every row, from the last `inputSize` rows: the cost of a row does not grow with the rows seen.
   *
   * @param rows - objects with time, targets and past covariates, in order of time; several series may be mixed.
   * @param options.history - rows before the first one, so that forecasts start at once.
   */
  async* stream(rows: AsyncIterable<Row> | Iterable<Row>, options: { level?: readonly number[]; history?: Table; signal?: AbortSignal; minimum?: number } = {}): AsyncGenerator<StreamedForecast> {
    const { config, fitted } = this.#ready('stream');
    if (config.future.length > 0) throw new ConfigError('stream: this forecaster needs covariates known ahead, which a stream of rows does not bring. Use forecast({ history, future }).');
    const stream = new RowStream(config, fitted.targets, options.history);
    for await (const row of rows) {
      const ready = stream.push(row);
      if (!ready) continue;
      const forecast = await this.forecast({ history: ready.table, ...(options.level && { level: options.level }), ...(options.signal && { signal: options.signal }), ...(options.minimum !== undefined && { minimum: options.minimum }) });
      yield { id: ready.id, time: ready.time, forecast };
    }
  }

  /** Write config.json, model.safetensors and preprocessing.json into a folder (Node). */
  async save(folder: string): Promise<void> {
    await saveForecaster(folder, this.#ready('save'));
  }

  /** The files of `save` in memory; `Forecaster.load({ files })` reads them. */
  async files(): Promise<Map<string, Uint8Array>> {
    return encodeForecaster(this.#ready('files'));
  }

  /** The model in one line. */
  describe(): string {
    const { config, network, trainedOn } = this.#ready('describe');
    return `${config.model}, ${parameterMemory(network.parameters).parameters} parameters, trained on ${trainedOn}`;
  }

  /** Parts, sizes, what it sees and what it was trained on. */
  summary(): string {
    const { config, network, fitted, calibrations, trainedOn } = this.#ready('summary');
    const { parameters, bytes } = parameterMemory(network.parameters);
    const calibrated = [...calibrations.values()][0]?.count ?? 0;
    return [
      `Forecaster: ${config.model} (${config.preset}), ${parameters} parameters, ${(bytes / 1024).toFixed(1)} KiB`,
      `  sees ${config.inputSize} rows, forecasts ${config.horizon} at frequency ${config.frequency}, season ${config.season}`,
      `  targets: ${fitted.targets.join(', ')}; covariates: ${[...config.past, ...config.future, ...config.statics].join(', ') || 'none'}; calendar: ${config.calendar ? 'yes' : 'no'}`,
      `  loss: ${config.loss}${config.quantiles.length > 0 ? ` at ${config.quantiles.join(', ')}` : ''}; intervals calibrated on ${calibrated} held-out windows`,
      `  trained on ${trainedOn}`,
    ].join('\n');
  }

  /** Free the weights. Safe to call twice. */
  dispose(): void {
    this.#parts?.network.dispose();
    this.#parts = undefined;
    this.#fittedTable = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #ready(what: string): ForecasterParts {
    if (this.#parts) return this.#parts;
    throw new ConfigError(`${what}: this forecaster is not trained (or was disposed). Call fit(table) first, or Forecaster.load(folder).`);
  }
}

function buildNetwork(config: ForecasterConfig): ForecastNetwork {
  const { past, future, statics } = featureWidths(config);
  const sizes = { inputSize: config.inputSize, horizon: config.horizon, pastFeatures: past, futureFeatures: future, staticSlots: statics, outputs: outputCount(config) };
  return createNetwork(config.model, config.preset, sizes, Random.fromSeed(config.seed).split('network'), config.network);
}

/** Options that give the same configuration again. */
function optionsOf(config: ForecasterConfig): ForecasterOptions {
  const { past, future, statics, loss, quantiles, ...same } = config;
  return { ...same, covariates: { past, future, static: statics }, loss: loss === 'quantile' ? { kind: loss, quantiles } : { kind: loss } };
}

async function startBackend(name: BackendName | 'auto' | undefined): Promise<void> {
  if (name !== undefined || kernelTargetOf(tf.getBackend()) === null) await useBackend(name ?? 'auto');
}

function prepareTimes(history: Table, config: ForecasterConfig, steps: number): Float64Array[] {
  return history.series.map(series => timesAfter(series.times[series.times.length - 1], steps, config, history));
}

function timesAfter(last: number, steps: number, config: ForecasterConfig, history: Table): Float64Array {
  const frequency = parseFrequency(config.frequency);
  return Float64Array.from({ length: steps }, (_, step) => addSteps(last, step + 1, frequency, history.zone));
}

function describeTraining(table: Table, trainEnd: readonly number[]): string {
  const rows = trainEnd.reduce((sum, end) => sum + end, 0);
  const last = Math.max(...table.series.map(({ times }, index) => times[trainEnd[index] - 1]));
  return `${rows} rows of ${table.series.length} series (${table.targets.join(', ')}), up to ${table.formatTime(last)}`;
}
