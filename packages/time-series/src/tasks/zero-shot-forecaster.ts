import { kernelTargetOf, useBackend } from '@mamba360/ssm/backend';
import type { BackendName } from '@mamba360/ssm/backend';
import { readModelFolder } from '@mamba360/ssm/checkpoints';
import type { ModelSource } from '@mamba360/ssm/checkpoints';
import { ConfigError, DataError, FileError, StateError } from '@mamba360/ssm/errors';
import { assignParameters, parameterMemory } from '@mamba360/ssm/layers';
import * as tf from '@tensorflow/tfjs';
import { defaultSeason } from '../data/detect-frequency.ts';
import { addSteps, formatFrequency } from '../data/frequency.ts';
import type { Frequency } from '../data/frequency.ts';
import type { Table } from '../data/table.ts';
import { levelToQuantiles } from '../metrics/metric.ts';
import { zeroShotForecast, ZeroShotNetwork } from '../models/zero-shot/index.ts';
import type { ZeroShotConfig } from '../models/zero-shot/index.ts';
import { Backtest, backtestPlaces, forecastAt } from './backtest.ts';
import { Forecast } from './forecast-result.ts';
import type { ColumnForecast } from './forecast-result.ts';
import { Scaler } from '../data/scaler.ts';
import { checkMinimum, clipBelow, minimumNotes } from './minimum.ts';
import type { Cut } from './score.ts';
import type { PreparedSeries } from './prepare.ts';

/** Fewest known values a forecast can be made of. */
const FEWEST_VALUES = 8;
/** Series in one pass. */
const SERIES_A_PASS = 32;

export interface ZeroShotForecastOptions {
  readonly history: Table;
  readonly horizon: number;
  /** Those the model has quantiles for, such as [80, 95]. Default: none. */
  readonly level?: readonly number[];
  /** The values cannot lie below it (0 for counts): mean and bounds are clipped to it. Default: none. */
  readonly minimum?: number;
}

/** The shipped model: forecasts series it has never seen, any number of columns, any horizon, any scale; nothing is fitted. */
export class ZeroShotForecaster {
  readonly #network: ZeroShotNetwork;
  /** Names of the data the weights come from. */
  readonly trainedOn: string;

  private constructor(network: ZeroShotNetwork, trainedOn: string) {
    this.#network = network;
    this.trainedOn = trainedOn;
  }

  /**
   * Load the shipped weights, or others of the same kind.
   *
   * @throws FileError where the package was built without weights.
   */
  static async load(source?: ModelSource, options: { backend?: BackendName | 'auto' } = {}): Promise<ZeroShotForecaster> {
    if (options.backend !== undefined || kernelTargetOf(tf.getBackend()) === null) await useBackend(options.backend ?? 'auto');
    const { config, tensors, files } = await readModelFolder(source ?? await shippedSource(), { read: ['model-card.json'] }).catch((cause: unknown) => {
      if (source !== undefined) throw cause;
      throw new FileError('This build of @mamba360/time-series holds no shipped weights. Fit a model on your own rows (Forecaster.create and fit; on the command line --fit), or pass a folder.', { cause });
    });
    if (config.model !== 'zero-shot' || config.format !== 1) throw new StateError(`ZeroShotForecaster.load: config.json has model "${String(config.model)}", format ${String(config.format)}, expected "zero-shot", format 1. Load it with Forecaster.load.`);
    const { model: _model, format: _format, ...rest } = config;
    const network = ZeroShotNetwork.create(rest as unknown as ZeroShotConfig);
    try {
      assignParameters(network.parameters, tensors, { what: 'ZeroShotForecaster.load' });
    } catch (error) {
      network.dispose();
      throw error;
    }
    return new ZeroShotForecaster(network, trainingData(files.get('model-card.json')));
  }

  /** Levels of the intervals it can give. */
  get levels(): number[] {
    const { quantiles } = this.#network.config;
    return quantiles.filter(level => level < 0.5).map(level => Math.round((1 - 2 * level) * 1e6) / 1e4);
  }

  get parameterCount(): number {
    return parameterMemory(this.#network.parameters).parameters;
  }

  describe(): string {
    return `the shipped zero-shot model (${this.parameterCount} parameters, trained on ${this.trainedOn})`;
  }

  /** Forecast the rows after the history. */
  async forecast({ history, horizon, level = [], minimum }: ZeroShotForecastOptions): Promise<Forecast> {
    checkMinimum(minimum, 'forecast');
    history.check({ columns: [] }).assertNo('duplicate', 'off-grid', 'gap');
    const frequency = history.frequency;
    const windows = history.series.flatMap(series => history.targets.map(target => ({ id: series.id, target, values: series.values[target] })));
    const columns = await this.#columns(windows, horizon, level, frequency);
    const series = history.series.map(({ id, times }, index) => ({
      id, times: Float64Array.from({ length: horizon }, (_, step) => addSteps(times[times.length - 1], step + 1, frequency, history.zone)),
      columns: Object.fromEntries(history.targets.map((target, column) => [target, clipBelow(columns[index * history.targets.length + column], minimum)])),
    }));
    const own = this.#network.config.horizon;
    const rolled = horizon > own ? [`Rows ${own + 1} to ${horizon} are rolled: forecasts that build on forecasts.`] : [];
    const notes = [...rolled, ...minimumNotes(history, series, history.targets, minimum)];
    return new Forecast(series, { targets: history.targets, levels: level, frequency, zone: history.zone, idName: history.idName, timeName: history.timeName, madeBy: this.describe(), notes });
  }

  /** Forecast from several moments of the past; each sees only rows before it. */
  async backtest(table: Table, options: { horizon: number; windows?: number; stride?: number; level?: readonly number[]; season?: number; minimum?: number }): Promise<Backtest> {
    const { horizon, windows: count = 4, stride = horizon, level = this.levels, season = defaultSeason(table.frequency), minimum } = options;
    checkMinimum(minimum, 'backtest');
    const places = backtestPlaces(table, FEWEST_VALUES, horizon, count, stride);
    const cutRow = (start: number): number => start + FEWEST_VALUES;
    const windows = places.flatMap(own => own.flatMap(({ series, start }) => table.targets.map(target => {
      const { id, values } = table.series[series];
      return { id, target, values: values[target].subarray(0, cutRow(start)) };
    })));
    const made = await this.#columns(windows, horizon, level, table.frequency);
    const cuts: Cut[] = [];
    const C = table.targets.length, S = table.series.length;
    const forecasts = places.map((own, moment) => forecastAt(table, formatFrequency(table.frequency), own, FEWEST_VALUES, horizon, index => Object.fromEntries(table.targets.map((target, column) => {
      const forecast = clipBelow(made[(moment * S + index) * C + column], minimum);
      cuts.push({ series: index, column, row: cutRow(own[index].start), forecast });
      return [target, forecast];
    })), { targets: table.targets, levels: level, madeBy: this.describe() }));
    const trainEnd = places[0].map(({ start }) => cutRow(start));
    const inputSize = Math.max(FEWEST_VALUES, Math.min(7 * season, 336, Math.floor((Math.min(...trainEnd) - horizon) / 2)));
    return new Backtest({ forecasts, table, model: 'zero-shot', series: toPrepared(table, trainEnd), cuts, baselines: { season, inputSize, horizon, trainEnd } });
  }

  dispose(): void {
    this.#network.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #columns(windows: readonly { id: string; target: string; values: Float64Array }[], horizon: number, levels: readonly number[], frequency: Frequency): Promise<ColumnForecast[]> {
    const { quantiles } = this.#network.config;
    const bounds = levels.map(level => {
      const [below, above] = levelToQuantiles(level);
      const find = (wanted: number): number => quantiles.findIndex(quantile => Math.abs(quantile - wanted) < 1e-6);
      if (find(below) < 0 || find(above) < 0) throw new ConfigError(`level: got ${level}, but the shipped model has ${this.levels.join(' and ')} only. Ask for these, or fit a model of your own (on the command line --fit), whose intervals take any level.`);
      return { level, below: find(below), above: find(above) };
    });
    for (const { id, target, values } of windows) {
      const known = values.reduce((count, value) => count + (Number.isFinite(value) ? 1 : 0), 0);
      if (known < FEWEST_VALUES) throw new DataError(`forecast: series "${id}", column "${target}" has ${known} known values before the forecast, expected at least ${FEWEST_VALUES}. Give more rows, or leave it out.`);
    }
    const seasons = seasonsOf(frequency);
    const columns: ColumnForecast[] = [];
    for (let from = 0; from < windows.length; from += SERIES_A_PASS) {
      const part = windows.slice(from, from + SERIES_A_PASS).map(({ values }) => ({ history: values.subarray(Math.max(0, values.length - this.#network.config.contextLength)), seasons }));
      for (const { values } of zeroShotForecast(this.#network, part, horizon)) {
        const at = (quantile: number): Float64Array => Float64Array.from({ length: horizon }, (_, step) => values[step * quantiles.length + quantile]);
        columns.push({ mean: at((quantiles.length - 1) / 2), intervals: bounds.map(({ level, below, above }) => ({ level, low: at(below), high: at(above) })) });
      }
      await new Promise(resolve => { setTimeout(resolve); });
    }
    return columns;
  }
}

/** Seasonal periods in rows, short then long, as the weights were trained with; 0 where there is none. */
export function seasonsOf(frequency: Frequency): [number, number] {
  const { unit, count } = frequency;
  const milliseconds: Partial<Record<Frequency['unit'], number>> = { s: 1000, min: 60_000, h: 3_600_000, D: 86_400_000 };
  const step = milliseconds[unit];
  if (step !== undefined) {
    const day = Math.round(86_400_000 / (step * count));
    if (day > 512 || day < 2) return day === 1 ? [7, 0] : [0, 0];
    return [day, day * 7 <= 512 ? day * 7 : 0];
  }
  const season = defaultSeason(frequency);
  return [season > 1 ? season : 0, 0];
}

async function shippedSource(): Promise<ModelSource> {
  const folder = new URL('../../weights/zero-shot/', import.meta.url);
  if (folder.protocol === 'file:') {
    const { fileURLToPath } = await import('node:url');
    return fileURLToPath(folder);
  }
  const files = new Map<string, Uint8Array>();
  for (const name of ['config.json', 'model.safetensors', 'model-card.json']) {
    const response = await fetch(new URL(name, folder));
    if (!response.ok) throw new FileError(`ZeroShotForecaster.load: ${new URL(name, folder).href} answered ${response.status}, expected 200. Serve the package's folder weights/zero-shot beside its code, or pass the files yourself.`);
    files.set(name, new Uint8Array(await response.arrayBuffer()));
  }
  return { files };
}

function trainingData(card: Uint8Array | undefined): string {
  if (!card) return 'data its folder does not name';
  const { data } = JSON.parse(new TextDecoder().decode(card)) as { data?: { name: string }[] };
  return (data ?? []).map(({ name }) => name).join(', ') || 'data its card does not name';
}

function toPrepared(table: Table, trainEnd: readonly number[]): PreparedSeries[] {
  const none = new Float32Array(0);
  return table.series.map(({ id, times, values }, index) => ({
    id, times, targets: table.targets.map(target => values[target]), past: none, future: none, statics: none,
    scales: table.targets.map(target => {
      const head = { id, times, labels: {}, values: { [target]: values[target].subarray(0, trainEnd[index]) } };
      return Scaler.fit([head], [target]).of(id, target).scale;
    }),
  }));
}
