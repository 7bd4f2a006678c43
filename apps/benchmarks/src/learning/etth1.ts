import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { baselines, Forecaster, metrics, readCsv } from '@mamba360/time-series';
import type { ModelName } from '@mamba360/time-series';

export interface EtthOptions {
  /** Folder of the data sets (the one that holds `timeseries/etth1`). */
  readonly data: string;
  readonly horizon?: number;
  readonly models?: readonly ModelName[];
  readonly seeds?: readonly number[];
  readonly epochs?: number;
  /** Start of the linear path: a ridge regression on the training rows, or zero. Default zero, so that everything in the score was trained. */
  readonly start?: 'ridge' | 'zero';
  readonly learningRate?: number;
  readonly averageDecay?: number;
  readonly onProgress?: (line: string) => void;
}

export interface EtthRow {
  readonly model: string;
  readonly seed: number | null;
  readonly parameters: number;
  readonly mse: number;
  readonly mae: number;
  readonly seconds: number;
  /** Epoch kept by validation; 0 = the start (ridge) was not beaten. */
  readonly bestEpoch: number | null;
}

const TRAIN = 8640;
const VALIDATION = 2880;
const END = 14400;
const WINDOW = 96;

/** The file with every column scaled by mean and deviation of the training rows, as the published protocol does. */
async function scaledTable(folder: string): Promise<{ columns: string[]; values: Float64Array[]; csv: string }> {
  const text = gunzipSync(await readFile(`${folder}/timeseries/etth1/ETTh1.csv.gz`)).toString('utf8');
  const lines = text.trim().split('\n').slice(0, END + 1).map((line) => line.split(','));
  const columns = lines[0].slice(1);
  const values = columns.map((_, c) => Float64Array.from(lines.slice(1), (row) => Number(row[c + 1])));
  for (const column of values) {
    const train = column.subarray(0, TRAIN);
    const mean = train.reduce((a, b) => a + b, 0) / TRAIN;
    const deviation = Math.sqrt(train.reduce((a, b) => a + (b - mean) ** 2, 0) / TRAIN);
    column.forEach((value, i) => { column[i] = (value - mean) / deviation; });
  }
  const csv = [lines[0].join(','), ...lines.slice(1).map((row, i) => [row[0], ...values.map((column) => column[i])].join(','))].join('\n');
  return { columns, values, csv };
}

/** Mean errors of a plain forecasting function over every test window, none dropped. */
function scoreFunction(values: readonly Float64Array[], horizon: number, forecast: (history: Float64Array) => Float64Array): { mse: number; mae: number } {
  let square = 0;
  let absolute = 0;
  let count = 0;
  for (let row = TRAIN + VALIDATION; row + horizon <= END; row++) {
    for (const column of values) {
      const made = forecast(column.subarray(row - WINDOW, row));
      for (let step = 0; step < horizon; step++) {
        const error = made[step] - column[row + step];
        square += error * error;
        absolute += Math.abs(error);
        count++;
      }
    }
  }
  return { mse: square / count, mae: absolute / count };
}

/**
 * ETTh1 by the standard protocol: look-back 96, rows 0-8639 train, 8640-11519 validation, 11520-14399 test, scaled by the training rows, stride 1,
 * every test window scored. Validation chooses the epoch; the test windows are scored once for each trained model.
 */
export async function etth1(options: EtthOptions): Promise<EtthRow[]> {
  const { horizon = 96, models = ['mamba', 'identity', 'lstm', 'dlinear'], seeds = [1, 2, 3], epochs = 5, start = 'zero', learningRate = 3e-4, averageDecay = 0.995 } = options;
  const { columns, values, csv } = await scaledTable(options.data);
  const all = await readCsv(csv, { time: 'date', target: columns });
  const training = await readCsv(csv.split('\n').slice(0, TRAIN + VALIDATION + 1).join('\n'), { time: 'date', target: columns });
  const rows: EtthRow[] = [];
  const add = (row: EtthRow): void => {
    rows.push(row);
    options.onProgress?.(`${row.model.padEnd(22)} seed ${row.seed ?? '-'}  MSE ${row.mse.toFixed(4)}  MAE ${row.mae.toFixed(4)}  ${row.parameters} parameters  ${row.seconds.toFixed(0)} s${row.bestEpoch === null ? '' : `  best epoch ${row.bestEpoch}`}`);
  };
  const plain = (model: string, parameters: number, forecast: (history: Float64Array) => Float64Array): void => {
    const started = performance.now();
    add({ model, seed: null, parameters, ...scoreFunction(values, horizon, forecast), seconds: (performance.now() - started) / 1000, bestEpoch: null });
  };
  plain('naive', 0, (history) => baselines.naive(history, horizon));
  plain('seasonal naive (24)', 0, (history) => baselines.seasonalNaive(24)(history, horizon));
  const ridge = baselines.fitRidge(values.map((column) => column.subarray(0, TRAIN)), { inputSize: WINDOW, horizon, penalty: 'auto' });
  plain('ridge, closed form', WINDOW * horizon, (history) => ridge.forecast(history, horizon));
  const windows = END - (TRAIN + VALIDATION) - horizon + 1;
  for (const model of models) {
    for (const seed of model === 'mamba' ? seeds : seeds.slice(0, 1)) {
      const started = performance.now();
      const forecaster = await Forecaster.create({
        model, horizon, inputSize: WINDOW, frequency: 'h', calendar: false, loss: 'mse', lossScale: 'series', seed,
        network: { dModel: model === 'lstm' ? 60 : 64, layers: 1, patchLength: 16, patchStride: 8, dState: 16, mlpHidden: 64, dropout: 0.2 },
      });
      const run = await forecaster.fit(training, { epochs, batchSize: 32, learningRate, averageDecay, weightDecay: 0.01, validation: { lastSteps: VALIDATION }, calibration: false, patience: epochs, start });
      const seconds = (performance.now() - started) / 1000;
      const scores = (await forecaster.backtest(all, { windows, stride: 1, level: [] })).score([metrics.mse(), metrics.mae()]).model.scores;
      const parameters = Number(/(\d+) parameters/.exec(forecaster.describe())?.[1]);
      const [mse, mae] = Object.values(scores);
      add({ model: model === 'identity' ? 'mixer = identity' : model, seed, parameters, mse, mae, seconds, bestEpoch: run.bestEpoch });
      forecaster.dispose();
    }
  }
  return rows;
}
