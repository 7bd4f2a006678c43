import { ConfigError, DataError, FileError } from '@mamba360/ssm/errors';
import type { BackendName } from '@mamba360/ssm/backend';
import { Forecaster, ZeroShotForecaster } from '@mamba360/time-series';
import type { Backtest, Forecast, ForecasterOptions, Table, TrainingRun } from '@mamba360/time-series';
import type { ForecastSettings } from './forecast-options.ts';

/** What the verb needs of a model, shipped, saved or trained here. */
export interface ChosenModel {
  readonly kind: 'shipped' | 'saved' | 'fitted';
  readonly description: string;
  readonly trainedOn: string;
  forecast(history: Table, horizon: number, level: readonly number[]): Promise<Forecast>;
  backtest(table: Table, horizon: number, windows: number, level: readonly number[]): Promise<Backtest>;
  readonly run?: TrainingRun;
  save?(folder: string): Promise<void>;
  dispose(): void;
}

export interface ModelContext {
  readonly seed: number;
  readonly backend: string;
  readonly signal: AbortSignal;
  note(line: string): void;
}

/**
 * The model the user asked for.
 *
 * @param training - the rows before the held-back tail; `--fit` sees no other.
 */
export async function chooseModel(settings: ForecastSettings, training: Table, horizon: number, context: ModelContext): Promise<ChosenModel> {
  if (settings.fit) return fitModel(settings, training, horizon, context, settings.network);
  const backend = context.backend as BackendName | 'auto';
  if (settings.model === undefined) return shipped(await ZeroShotForecaster.load(undefined, { backend }), 'shipped', settings);
  if (await isZeroShot(settings.model)) return shipped(await ZeroShotForecaster.load(settings.model, { backend }), 'saved', settings);
  return saved(await Forecaster.load(settings.model, { backend }), settings.model, settings);
}

/** Train a model by name on the rows before the tail. */
export async function fitModel(settings: ForecastSettings, training: Table, horizon: number, context: ModelContext, model: ForecastSettings['network']): Promise<ChosenModel> {
  const shortest = Math.min(...training.series.map(series => series.times.length));
  const options: ForecasterOptions = {
    model, preset: settings.preset, horizon, seed: context.seed, backend: context.backend as BackendName | 'auto', frequency: training.frequency,
    loss: { kind: 'quantile', quantiles: quantilesOf(settings.levels) }, ...inputSize(settings, training, horizon, shortest),
  };
  const forecaster = await Forecaster.create(options);
  try {
    const run = await forecaster.fit(training, {
      epochs: settings.epochs, stepsPerEpoch: 100, signal: context.signal,
      onProgress: event => {
        if (event.type === 'epoch-end') context.note(`${model}: epoch ${event.epoch + 1} of ${settings.epochs}, loss ${event.loss.toPrecision(4)}, validation ${event.validation?.loss?.toPrecision(4) ?? '-'}, ${Math.ceil(event.secondsLeft)} s left at most`);
      },
    });
    return { ...own(forecaster, 'fitted', settings), run, save: folder => forecaster.save(folder) };
  } catch (error) {
    forecaster.dispose();
    throw error;
  }
}

/** Short series get a shorter window, so that training, validation and calibration windows fit. */
function inputSize(settings: ForecastSettings, training: Table, horizon: number, shortest: number): { inputSize?: number } {
  if (settings.inputSize !== undefined) return { inputSize: settings.inputSize };
  const room = Math.floor((shortest - 2 * Math.max(horizon, Math.round(shortest * 0.1)) - horizon) / 2);
  const usual = Math.max(2 * horizon, { h: 168, min: 192, s: 120, D: 56, B: 40, W: 52, M: 24, Q: 12, Y: 8 }[training.frequency.unit as 'h'] ?? 64);
  return { inputSize: Math.max(4, Math.min(usual, room)) };
}

/** The levels' own quantiles and the median, so that every level asked for is learned. */
function quantilesOf(levels: readonly number[]): number[] {
  const below = levels.map(level => Math.round((100 - level) * 5e3) / 1e6);
  return [...new Set([...below, 0.5, ...below.map(quantile => 1 - quantile)])].sort((a, b) => a - b);
}

function shipped(model: ZeroShotForecaster, kind: 'shipped' | 'saved', settings: ForecastSettings): ChosenModel {
  const bound = boundOf(settings);
  return {
    kind, description: model.describe(), trainedOn: model.trainedOn, dispose: () => { model.dispose(); },
    forecast: (history, horizon, level) => model.forecast({ history, horizon, level, ...bound }),
    backtest: (table, horizon, windows, level) => model.backtest(table, { horizon, windows, level, ...bound }),
  };
}

function saved(forecaster: Forecaster, folder: string, settings: ForecastSettings): ChosenModel {
  const { horizon: own_, inputSize: seen } = forecaster.config;
  const model = own(forecaster, 'saved', settings);
  return {
    ...model,
    backtest: (table, horizon, windows, level) => {
      if (horizon !== own_) throw new ConfigError(`--horizon is ${horizon}, but the model in ${folder} was trained for ${own_}, and scoring it on the held-back tail needs the same. Give --horizon ${own_}, or --fit a new one.`);
      const short = table.series.find(series => series.times.length < seen + horizon * windows);
      if (short) throw new DataError(`series "${short.id}" has ${short.times.length} rows, expected at least ${seen + horizon * windows}: the model in ${folder} sees ${seen} rows. Give more rows, or --fit a new model.`);
      return model.backtest(table, horizon, windows, level);
    },
  };
}

function boundOf({ minimum }: ForecastSettings): { minimum?: number } {
  return minimum === undefined ? {} : { minimum };
}

function own(forecaster: Forecaster, kind: 'saved' | 'fitted', settings: ForecastSettings): ChosenModel {
  const bound = boundOf(settings);
  return {
    kind, description: forecaster.describe(), trainedOn: forecaster.trainedOn, dispose: () => { forecaster.dispose(); },
    forecast: (history, horizon, level) => forecaster.forecast({ history, horizon, level, ...bound }),
    backtest: (table, _horizon, windows, level) => forecaster.backtest(table, { windows, level, ...bound }),
  };
}

async function isZeroShot(folder: string): Promise<boolean> {
  const { readFile } = await import('node:fs/promises');
  const { join } = await import('node:path');
  try {
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as { model?: unknown };
    return config.model === 'zero-shot';
  } catch (cause) {
    throw new FileError(`--model ${folder}: config.json cannot be read (${cause instanceof Error ? cause.message.split('\n')[0] : String(cause)}). Give a folder that --save wrote.`, { cause });
  }
}
