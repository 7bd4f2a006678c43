import { AbortedError, DataError } from '@mamba360/ssm/errors';
import { addSteps, parseFrequency } from '../data/frequency.ts';
import type { Series, Table } from '../data/table.ts';
import { sliceSeries } from '../data/table.ts';
import type { WindowPlace } from '../data/windows.ts';
import type { ForecastNetwork } from '../models/forecast-network.ts';
import { disposeBatch, makeBatch } from './batch.ts';
import { outputCount } from './forecaster-options.ts';
import type { ForecasterConfig } from './forecaster-options.ts';
import { prepareSeries } from './prepare.ts';
import type { PreparedSeries, Preprocessing } from './prepare.ts';

/** Forecasts of many windows in the unit of the data. */
export interface WindowForecasts {
  readonly steps: number;
  readonly columns: number;
  readonly outputs: number;
  /** [windows, steps, columns, outputs], outputs ascending. */
  readonly values: Float64Array;
  /** Spread of each window, [windows, columns]. */
  readonly scales: Float64Array;
}

export interface PredictOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((event: { type: 'predict-progress'; done: number; total: number }) => void) | undefined;
}

/** Rows of the batch (windows x columns) in one pass: a pass stays well below 50 ms at the presets' sizes. */
const ROWS_A_PASS = 256;

/** Run the network over windows, a few at a time, giving way to other work in between. */
export async function predictWindows(network: ForecastNetwork, series: readonly PreparedSeries[], places: readonly WindowPlace[], config: ForecasterConfig, options: PredictOptions = {}): Promise<WindowForecasts> {
  const columns = series[0].targets.length, steps = config.horizon, outputs = outputCount(config);
  const values = new Float64Array(places.length * steps * columns * outputs), scales = new Float64Array(places.length * columns);
  const size = Math.max(1, Math.floor(ROWS_A_PASS / columns));
  for (let from = 0; from < places.length; from += size) {
    if (options.signal?.aborted) throw new AbortedError();
    const batch = makeBatch(series, places.slice(from, from + size), config);
    const output = network.forward(batch.input);
    disposeBatch(batch);
    const normalised = await output.data();
    output.dispose();
    scales.set(batch.scale, from * columns);
    for (let index = 0; index < normalised.length; index++) {
      const row = Math.floor(index / outputs), column = row % columns, window = Math.floor(row / (columns * steps));
      values[from * steps * columns * outputs + index] = normalised[index] * batch.scale[window * columns + column] + batch.center[window * columns + column];
    }
    options.onProgress?.({ type: 'predict-progress', done: Math.min(places.length, from + size), total: places.length });
    if (from + size < places.length) await new Promise(resolve => { setTimeout(resolve); });
  }
  // Quantiles of a network may cross; put in order they are never worse.
  if (outputs > 1) for (let start = 0; start < values.length; start += outputs) values.subarray(start, start + outputs).sort();
  return { steps, columns, outputs, values, scales };
}

/**
 * Forecast the rows after each series of a table.
 *
 * @param steps - beyond the network's horizon the forecast is rolled: the middle forecast is appended and seen as if it were measured.
 * @param short - what to do with a series shorter than the window: stop, or treat the rows before it as missing.
 * @returns as `predictWindows`, one window a series.
 */
export async function predictAhead(
  network: ForecastNetwork, table: Table, config: ForecasterConfig, fitted: Preprocessing, steps: number,
  options: PredictOptions & { future?: Table | undefined; short?: 'error' | 'pad' | undefined } = {},
): Promise<WindowForecasts> {
  const { inputSize: L, horizon: H } = config;
  const blocks = Math.ceil(steps / H), outputs = outputCount(config), middle = Math.max(0, config.quantiles.indexOf(0.5));
  const recent = table.with(table.series.map(series => lastRows(series, L, config, table, options.short ?? 'error')));
  const prepared = prepareSeries(recent, config, fitted, steps, options.future).map(series => ({
    ...series, targets: series.targets.map(column => {
      const longer = new Float64Array(L + blocks * H).fill(Number.NaN);
      longer.set(column);
      return longer;
    }),
  }));
  const columns = fitted.targets.length;
  const values = new Float64Array(prepared.length * steps * columns * outputs);
  let scales = new Float64Array(0);
  for (let block = 0; block < blocks; block++) {
    const made = await predictWindows(network, prepared, prepared.map((_, series) => ({ series, start: block * H })), config, options);
    if (block === 0) scales = made.scales.slice();
    const taken = Math.min(H, steps - block * H), width = columns * outputs;
    prepared.forEach((series, index) => {
      values.set(made.values.subarray(index * H * width, (index * H + taken) * width), (index * steps + block * H) * width);
      for (let step = 0; step < H; step++) {
        for (let column = 0; column < columns; column++) series.targets[column][L + block * H + step] = made.values[(index * H + step) * width + column * outputs + middle];
      }
    });
  }
  return { steps, columns, outputs, values, scales };
}

function lastRows(series: Series, length: number, config: ForecasterConfig, table: Table, short: 'error' | 'pad'): Series {
  const rows = series.times.length;
  if (rows >= length) return sliceSeries(series, rows - length);
  if (rows === 0 || short === 'error') {
    throw new DataError(
      `forecast: series "${series.id}" has ${rows} rows, expected at least ${length} (the input size). `
      + 'Give more rows, create the forecaster with a smaller inputSize, or pass short: "pad" to treat the rows before as missing.');
  }
  const frequency = parseFrequency(config.frequency), added = length - rows;
  const pad = (values: Float64Array): Float64Array => {
    const out = new Float64Array(length).fill(Number.NaN);
    out.set(values, added);
    return out;
  };
  const times = pad(series.times);
  for (let step = 1; step <= added; step++) times[added - step] = addSteps(series.times[0], -step, frequency, table.zone);
  return { id: series.id, labels: series.labels, times, values: Object.fromEntries(Object.entries(series.values).map(([name, values]) => [name, pad(values)])) };
}
