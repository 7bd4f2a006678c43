import { DataError } from '@mamba360/ssm/errors';
import { namedParameters, setValues } from '@mamba360/ssm/layers';
import { Random } from '@mamba360/ssm/random';
import { fit, meanLoss, rowBatches } from '@mamba360/ssm/training';
import type { BatchSource, CheckpointOptions, FitOptions, OnProgress, Schedule, Trainable } from '@mamba360/ssm/training';
import { fitRidge } from '../baselines/ridge.ts';
import type { WindowPlace } from '../data/windows.ts';
import type { ForecastNetwork } from '../models/forecast-network.ts';
import { makeTrainingBatch, normaliseWindow } from './batch.ts';
import type { TrainingBatch } from './batch.ts';
import type { ForecasterConfig } from './forecaster-options.ts';
import { forecastLoss } from './loss.ts';
import type { Held, Partition } from './partition.ts';
import type { PreparedSeries } from './prepare.ts';

export interface ForecasterFitOptions {
  /** Passes over the training windows at most. Default: 10. */
  readonly epochs?: number;
  /** Windows in a batch. Default: 32. */
  readonly batchSize?: number;
  /** Batches an epoch at most, drawn anew each epoch. Default: all windows. */
  readonly stepsPerEpoch?: number;
  /** Rows between training windows. Default: 1. */
  readonly stride?: number;
  /** Default: 0.001. */
  readonly learningRate?: number;
  /** Default: cosine. */
  readonly schedule?: Schedule;
  readonly weightDecay?: number;
  readonly averageDecay?: number;
  /** Rows held back to choose the best epoch. Default: 0.1. */
  readonly validation?: Held;
  /** Rows held back to calibrate intervals; they train nothing. Default: 0.1, `false` for none. */
  readonly calibration?: Held;
  /** Epochs without a better validation loss before training ends. Default: 3. */
  readonly patience?: number;
  /** Start the linear path at a ridge regression on the training rows, or at zero. Default: `ridge`. */
  readonly start?: 'ridge' | 'zero';
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
  readonly checkpoint?: CheckpointOptions;
}

/** One epoch of the history table, counted from 1. */
export interface EpochRow { readonly epoch: number; readonly loss: number; readonly validationLoss?: number; readonly seconds: number; readonly learningRate: number }

/** What training did. */
export interface TrainingRun {
  readonly history: readonly EpochRow[];
  /** Epoch whose weights are kept; 0 where no epoch was better than the start. */
  readonly bestEpoch: number;
  /** Validation loss before the first step; undefined without validation. */
  readonly startLoss: number | undefined;
  readonly stoppedEarly: boolean;
  readonly seconds: number;
}

/** Validation windows looked at after each epoch, spread evenly; more would only cost time. */
const MOST_VALIDATION_WINDOWS = 1024;

/** Train a network on the windows of a partition; the weights of the best epoch stay. */
export async function trainNetwork(network: ForecastNetwork, series: readonly PreparedSeries[], parts: Partition, config: ForecasterConfig, options: ForecasterFitOptions): Promise<TrainingRun> {
  const { epochs = 10, batchSize = 32, stepsPerEpoch = Number.POSITIVE_INFINITY, patience = 3, learningRate = 1e-3, weightDecay = 0.01 } = options;
  const started = performance.now();
  const training = usable(series, parts.training, config), validation = spread(usable(series, parts.validation, config), MOST_VALIDATION_WINDOWS);
  if (training.length === 0) throw new DataError('fit: no training window holds a known value to forecast. Fill the missing values, or give more rows.');
  if ((options.start ?? 'ridge') === 'ridge' && network.startFrom) startFromRidge(network, series, training, parts, config);
  const task: Trainable<TrainingBatch> = {
    parameters: network.parameters, config: { ...config, network: network.config },
    loss: ({ input, target, weight }, { training: on, random }) => {
      const output = network.forward(input, { training: on, random });
      const loss = forecastLoss(output, target, weight, config);
      output.dispose();
      return { loss, weight: target.shape[0] };
    },
  };
  const source = batches(series, training, config, batchSize, true);
  const limited: BatchSource<TrainingBatch> = { ...source, batchCount: epoch => Math.min(stepsPerEpoch, source.batchCount(epoch)) };
  const held = validation.length > 0 ? batches(series, validation, config, 2 * batchSize, false) : undefined;
  const startLoss = held && await meanLoss(task, held, Random.fromSeed(config.seed), options.signal);
  const before = held && await copyWeights(network);
  const steps = epochs * limited.batchCount(0);
  const fitOptions: FitOptions<TrainingBatch> = {
    epochs, seed: config.seed, learningRate, weightDecay, schedule: options.schedule ?? { kind: 'cosine', warmupSteps: Math.min(100, Math.ceil(steps / 10)), minimum: 0.02 },
    groups: [{ match: 'skip', weightDecay: 0 }],
    ...(options.averageDecay !== undefined && { averageDecay: options.averageDecay }),
    ...(held && { validation: held, earlyStopping: { patience } }),
    ...(options.checkpoint && { checkpoint: options.checkpoint }), ...(options.signal && { signal: options.signal }), ...(options.onProgress && { onProgress: options.onProgress }),
  };
  const result = await fit(task, limited, fitOptions);
  const history = result.history.map(({ epoch, loss, learningRate: rate, seconds, validation: values }): EpochRow => ({ epoch: epoch + 1, loss, seconds, learningRate: rate, ...(values && { validationLoss: values.loss }) }));
  const best = Math.min(...history.map(row => row.validationLoss ?? Number.POSITIVE_INFINITY));
  // Training can only lose against a good start where the data hold nothing more: then the start stays.
  const keepStart = before !== undefined && startLoss !== undefined && !(best < startLoss);
  if (keepStart) for (const [name, variable] of namedParameters(network.parameters)) setValues(variable, before.get(name)!);
  return { history, bestEpoch: keepStart ? 0 : result.bestEpoch + 1, startLoss, stoppedEarly: result.stoppedEarly, seconds: (performance.now() - started) / 1000 };
}

function batches(series: readonly PreparedSeries[], places: readonly WindowPlace[], config: ForecasterConfig, batchSize: number, shuffle: boolean): BatchSource<TrainingBatch> {
  return rowBatches({ count: places.length, batchSize, shuffle, make: rows => makeTrainingBatch(series, Array.from(rows, row => places[row]), config) });
}

/** Windows with at least one known value seen and one to forecast. */
function usable(series: readonly PreparedSeries[], places: readonly WindowPlace[], config: ForecasterConfig): WindowPlace[] {
  const gappy = series.map(one => one.targets.some(column => column.some(value => !Number.isFinite(value))));
  const known = (column: Float64Array, from: number, count: number): boolean => column.subarray(from, from + count).some(Number.isFinite);
  return places.filter(({ series: index, start }) => !gappy[index] || series[index].targets.some(column => known(column, start, config.inputSize) && known(column, start + config.inputSize, config.horizon)));
}

function spread<T>(items: readonly T[], most: number): readonly T[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, index) => items[Math.floor((index + 0.5) * items.length / most)]);
}

/** Most windows whose residuals place the quantiles at the start. */
const MOST_RESIDUAL_WINDOWS = 2000;

function startFromRidge(network: ForecastNetwork, series: readonly PreparedSeries[], training: readonly WindowPlace[], parts: Partition, config: ForecasterConfig): void {
  const { inputSize, horizon, quantiles } = config;
  const rows = series.flatMap((one, index) => one.targets.map((column, c) => column.subarray(0, parts.trainEnd[index]).map(value => value / one.scales[c])));
  const ridge = fitRidge(rows, { inputSize, horizon, penalty: 'auto' });
  const outputs = Math.max(1, quantiles.length);
  const residuals: number[][] = Array.from({ length: horizon }, () => []);
  const window = new Float32Array(inputSize);
  for (const { series: index, start } of spread(training, MOST_RESIDUAL_WINDOWS)) {
    series[index].targets.forEach((column, c) => {
      const { scale } = normaliseWindow(column, start, inputSize, 0.01 * series[index].scales[c], window, 0, 1);
      const made = ridge.forecast(column.subarray(start, start + inputSize));
      made.forEach((value, step) => {
        const residual = (column[start + inputSize + step] - value) / scale;
        if (Number.isFinite(residual)) residuals[step].push(residual);
      });
    });
  }
  const offsets = new Float64Array(horizon * outputs);
  if (quantiles.length > 0) {
    residuals.forEach((list, step) => {
      const sorted = Float64Array.from(list).sort();
      quantiles.forEach((level, output) => { offsets[step * outputs + output] = sorted.length === 0 ? 0 : sorted[Math.min(sorted.length - 1, Math.floor(level * sorted.length))]; });
    });
  }
  network.startFrom?.(ridge.weights, offsets);
}

async function copyWeights(network: ForecastNetwork): Promise<Map<string, Float32Array>> {
  const copies = new Map<string, Float32Array>();
  for (const [name, variable] of namedParameters(network.parameters)) copies.set(name, Float32Array.from(await variable.data()));
  return copies;
}
