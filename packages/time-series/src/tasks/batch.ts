import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import type { WindowPlace } from '../data/windows.ts';
import type { NetworkInput } from '../models/forecast-network.ts';
import type { ForecasterConfig } from './forecaster-options.ts';
import { featureWidths } from './prepare.ts';
import type { PreparedSeries } from './prepare.ts';

/** Level and spread by which each window was normalised. [B, C]. */
export interface WindowScale { readonly center: Float64Array; readonly scale: Float64Array }

/** Windows of several series as tensors, normalised one by one. The caller disposes them with `disposeBatch`. */
export interface Batch extends WindowScale {
  readonly input: NetworkInput;
  readonly size: number;
}

/** Windows with what is to be learned; tensors only, so that `fit` can dispose all of it. */
export interface TrainingBatch {
  readonly input: NetworkInput;
  /** Truth in normalised units, 0 where missing. [B, H, C]. */
  readonly target: Tensor;
  /** Factor of each error: 0 where the truth is missing, else 1, or window scale / series scale. [B, H, C]. */
  readonly weight: Tensor;
}

/**
 * Normalise the known values of a window: less their mean, by their standard deviation.
 *
 * @param smallest - floor of the scale, so that a flat window does not blow noise up.
 * @remarks Missing values become 0, the mean. Looks at no row outside the window.
 */
export function normaliseWindow(values: Float64Array, start: number, length: number, smallest: number, out: Float32Array, offset: number, stride: number): { center: number; scale: number } {
  let sum = 0, count = 0;
  for (let row = start; row < start + length; row++) {
    if (Number.isFinite(values[row])) {
      sum += values[row];
      count++;
    }
  }
  const center = count === 0 ? 0 : sum / count;
  let square = 0;
  for (let row = start; row < start + length; row++) if (Number.isFinite(values[row])) square += (values[row] - center) ** 2;
  const scale = Math.max(Math.sqrt(square / Math.max(count, 1)), smallest, 1e-9 * Math.abs(center), 1e-30);
  for (let row = 0; row < length; row++) {
    const value = values[start + row];
    out[offset + row * stride] = Number.isFinite(value) ? (value - center) / scale : 0;
  }
  return { center, scale };
}

/** Assemble the windows at `places`; rows after them are not looked at, save for features known ahead. */
export function makeBatch(series: readonly PreparedSeries[], places: readonly WindowPlace[], config: ForecasterConfig): Batch {
  const { inputSize: L, horizon: H } = config;
  const widths = featureWidths(config);
  const B = places.length, C = series[0].targets.length;
  const window = new Float32Array(B * L * C);
  const center = new Float64Array(B * C), scale = new Float64Array(B * C);
  const past = new Float32Array(B * L * widths.past), future = new Float32Array(B * H * widths.future), statics = new Float32Array(B * widths.statics);
  places.forEach(({ series: index, start }, b) => {
    const one = series[index];
    for (let c = 0; c < C; c++) {
      const found = normaliseWindow(one.targets[c], start, L, 0.01 * one.scales[c], window, b * L * C + c, C);
      center[b * C + c] = found.center;
      scale[b * C + c] = found.scale;
    }
    past.set(one.past.subarray(start * widths.past, (start + L) * widths.past), b * L * widths.past);
    future.set(one.future.subarray((start + L) * widths.future, (start + L + H) * widths.future), b * H * widths.future);
    statics.set(one.statics, b * widths.statics);
  });
  const input: NetworkInput = {
    window: tf.tensor3d(window, [B, L, C]),
    ...(widths.past > 0 && { past: tf.tensor3d(past, [B, L, widths.past]) }),
    ...(widths.future > 0 && { future: tf.tensor3d(future, [B, H, widths.future]) }),
    ...(widths.statics > 0 && { statics: tf.tensor2d(statics, [B, widths.statics]) }),
  };
  return { input, center, scale, size: B };
}

/** A batch with the rows after each window as truth. */
export function makeTrainingBatch(series: readonly PreparedSeries[], places: readonly WindowPlace[], config: ForecasterConfig): TrainingBatch {
  const batch = makeBatch(series, places, config);
  const { inputSize: L, horizon: H } = config;
  const C = series[0].targets.length;
  const target = new Float32Array(places.length * H * C), weight = new Float32Array(places.length * H * C);
  places.forEach(({ series: index, start }, b) => {
    const one = series[index];
    for (let c = 0; c < C; c++) {
      const center = batch.center[b * C + c], scale = batch.scale[b * C + c];
      const factor = config.lossScale === 'series' ? scale / one.scales[c] : 1;
      for (let step = 0; step < H; step++) {
        const value = one.targets[c][start + L + step];
        if (!Number.isFinite(value)) continue;
        target[(b * H + step) * C + c] = (value - center) / scale;
        weight[(b * H + step) * C + c] = factor;
      }
    }
  });
  const shape: [number, number, number] = [places.length, H, C];
  return { input: batch.input, target: tf.tensor3d(target, shape), weight: tf.tensor3d(weight, shape) };
}

export function disposeBatch({ input }: Batch): void {
  for (const tensor of [input.window, input.past, input.future, input.statics]) tensor?.dispose();
}
