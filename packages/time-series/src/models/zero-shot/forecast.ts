import * as tf from '@tensorflow/tfjs';
import type { ZeroShotNetwork } from './network.ts';
import { zeroShotBatch } from './network.ts';
import { zeroShotWindow } from './window.ts';

export interface ZeroShotForecast {
  /** Rising levels, as in the network's configuration. */
  readonly quantiles: readonly number[];
  /** In the series' own units, [horizon, quantiles.length]. */
  readonly values: Float64Array;
}

export interface ZeroShotSeries {
  /** Regular grid, oldest first, NaN where missing; at least one finite value. */
  readonly history: ArrayLike<number>;
  /** Seasonal periods in steps, short then long; 0 = none. */
  readonly seasons: readonly [number, number];
}

/**
 * Forecasts series the network has never seen, any horizon.
 *
 * @remarks Horizons beyond the network's are rolled: the median is appended to the history and the band of each further pass is widened by the
 * spread that the previous pass ended with (root of the sum of squares), so bands do not shrink where they must grow.
 */
export function zeroShotForecast(network: ZeroShotNetwork, series: readonly ZeroShotSeries[], horizon: number): ZeroShotForecast[] {
  const { quantiles, horizon: pass } = network.config;
  const Q = quantiles.length;
  const middle = (Q - 1) / 2;
  const units = series.map(({ history }) => smallUnit(history));
  const histories = series.map(({ history }, i) => Array.from(history, (value) => (units[i] === 0 ? value : value / units[i])));
  const results = series.map(() => new Float64Array(horizon * Q));
  const carried = series.map(() => new Float64Array(Q));
  for (let from = 0; from < horizon; from += pass) {
    const windows = series.map(({ seasons }, i) => zeroShotWindow(histories[i], seasons, network.config));
    const values = tf.tidy(() => network.forward(zeroShotBatch(windows, network.config)).dataSync());
    const steps = Math.min(pass, horizon - from);
    series.forEach((_, i) => {
      const { center, scale } = windows[i];
      for (let step = 0; step < steps; step++) {
        const row = (i * pass + step) * Q;
        const median = values[row + middle] * scale + center;
        for (let k = 0; k < Q; k++) {
          const spread = (values[row + k] - values[row + middle]) * scale;
          results[i][(from + step) * Q + k] = median + Math.sign(k - middle) * Math.hypot(spread, carried[i][k]);
        }
        histories[i].push(median);
      }
      for (let k = 0; k < Q; k++) carried[i][k] = Math.abs(results[i][(from + steps - 1) * Q + k] - results[i][(from + steps - 1) * Q + middle]);
    });
  }
  return results.map((values, i) => ({ quantiles, values: values.map((value) => (units[i] === 0 ? 0 : value * units[i])) }));
}

/**
 * The floor of a window's scale is absolute, so values far below 1 are first brought near 1: by a power of two, which loses no digit.
 *
 * @returns 1 for ordinary values; 0 where all are 0, so that the forecast is 0 too.
 */
function smallUnit(history: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < history.length; i++) if (Number.isFinite(history[i])) largest = Math.max(largest, Math.abs(history[i]));
  return largest === 0 || largest >= 2 ** -10 ? Math.sign(largest) : 2 ** Math.max(-1022, Math.floor(Math.log2(largest)));
}
