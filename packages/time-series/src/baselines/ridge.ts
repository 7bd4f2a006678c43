import { DataError } from '@mamba360/ssm/errors';
import { completeWindow } from './naive.ts';

export interface RidgeOptions {
  /** Rows of context. */
  readonly inputSize: number;
  readonly horizon: number;
  /** Penalty relative to the mean of the diagonal of X'X, at least 0; `auto` picks it on the newest fifth of the windows. Default: 1e-3. */
  readonly penalty?: number | 'auto';
  /** Windows used at most, spread evenly over the rows. Default: 20,000. */
  readonly maximumWindows?: number;
}

/** A fitted linear map from a window, its mean removed, to the horizon, the mean added again. */
export interface Ridge {
  readonly inputSize: number;
  readonly horizon: number;
  /** [inputSize, horizon]. */
  readonly weights: Float64Array;
  forecast(history: ArrayLike<number>, horizon?: number): Float64Array;
}

/**
 * Fit W = argmin |Y - X W|^2 + penalty |W|^2 in closed form, X the windows less their mean, Y the rows after them less the same mean.
 *
 * @param series - training rows, one array a series and column; all share one W.
 * @throws DataError where no window fits into any series.
 * @remarks The strongest simple baseline on many public sets. Time O(windows * inputSize * (inputSize + horizon)).
 * Windows with a missing target are left out; missing values in the context are carried forward.
 */
export function fitRidge(series: readonly ArrayLike<number>[], options: RidgeOptions): Ridge {
  const { inputSize, horizon, maximumWindows = 20_000 } = options;
  const length = inputSize + horizon;
  const total = series.reduce((sum, values) => sum + Math.max(0, values.length - length + 1), 0);
  if (total === 0) {
    const longest = series.reduce((most, values) => Math.max(most, values.length), 0);
    throw new DataError(`fitRidge: got ${longest} rows, expected at least ${length} (input size ${inputSize} + horizon ${horizon}). Give more rows, or a smaller input size.`);
  }
  const stride = Math.max(1, Math.floor(total / maximumWindows));
  const penalty = options.penalty === 'auto' ? choosePenalty(series, inputSize, horizon, stride) : options.penalty ?? 1e-3;
  const weights = solve(gather(series, inputSize, horizon, stride, [0, 1]), penalty, inputSize, horizon);
  return { inputSize, horizon, weights, forecast: (history, steps = horizon) => roll(history, steps, inputSize, horizon, weights) };
}

const PENALTIES = [1e-4, 1e-3, 1e-2, 1e-1, 1];

interface Normal { readonly gram: Float64Array; readonly moment: Float64Array; readonly square: number; readonly count: number }

/** Fit on the older windows, score on the newer ones: |Y - X W|^2 = |Y|^2 - 2 <W, X'Y> + <W, X'X W>, so no window is visited again. */
function choosePenalty(series: readonly ArrayLike<number>[], inputSize: number, horizon: number, stride: number): number {
  const older = gather(series, inputSize, horizon, stride, [0, 0.8]), newer = gather(series, inputSize, horizon, stride, [0.8, 1]);
  if (older.count < 2 || newer.count < 1) return 1e-1;
  let best = 1e-1, bestError = Number.POSITIVE_INFINITY;
  for (const penalty of PENALTIES) {
    const weights = solve(older, penalty, inputSize, horizon);
    let error = newer.square;
    for (let row = 0; row < inputSize; row++) {
      for (let step = 0; step < horizon; step++) {
        let product = 0;
        for (let other = 0; other < inputSize; other++) product += newer.gram[Math.min(row, other) * inputSize + Math.max(row, other)] * weights[other * horizon + step];
        error += weights[row * horizon + step] * (product - 2 * newer.moment[row * horizon + step]);
      }
    }
    if (error < bestError) [best, bestError] = [penalty, error];
  }
  return best;
}

/** Normal equations over the windows whose place in their series lies in the share [from, to). */
function gather(series: readonly ArrayLike<number>[], inputSize: number, horizon: number, stride: number, [from, to]: readonly [number, number]): Normal {
  const length = inputSize + horizon;
  const gram = new Float64Array(inputSize * inputSize), moment = new Float64Array(inputSize * horizon), window = new Float64Array(length);
  let square = 0, count = 0;
  for (const values of series) {
    const filled = completeWindow(values);
    const places = values.length - length + 1;
    for (let start = 0; start < places; start += stride) {
      if (start < from * places || start >= to * places || !targetsKnown(values, start + inputSize, horizon)) continue;
      let mean = 0;
      for (let row = 0; row < inputSize; row++) mean += filled[start + row] / inputSize;
      for (let row = 0; row < length; row++) window[row] = filled[start + row] - mean;
      accumulate(gram, moment, window, inputSize, horizon);
      for (let step = inputSize; step < length; step++) square += window[step] ** 2;
      count++;
    }
  }
  return { gram, moment, square, count };
}

function solve(normal: Normal, penalty: number, inputSize: number, horizon: number): Float64Array {
  const gram = normal.gram.slice();
  let trace = 0;
  for (let row = 0; row < inputSize; row++) trace += gram[row * inputSize + row];
  // The mean is removed, so X'X is singular along the constant vector: a penalty of 0 would not solve.
  const added = Math.max(penalty, 1e-9) * (trace / inputSize || 1);
  for (let row = 0; row < inputSize; row++) gram[row * inputSize + row] += added;
  return solveSymmetric(gram, normal.moment, inputSize, horizon);
}

function roll(history: ArrayLike<number>, steps: number, inputSize: number, horizon: number, weights: Float64Array): Float64Array {
  const out = new Float64Array(steps);
  let context = completeWindow(Array.prototype.slice.call(history, -inputSize) as number[]);
  if (context.length < inputSize) {
    const padded = new Float64Array(inputSize).fill(context[0] ?? 0);
    padded.set(context, inputSize - context.length);
    context = padded;
  }
  for (let done = 0; done < steps; done += horizon) {
    const mean = context.reduce((sum, value) => sum + value, 0) / inputSize;
    const block = new Float64Array(horizon).fill(mean);
    for (let row = 0; row < inputSize; row++) {
      const centred = context[row] - mean;
      for (let step = 0; step < horizon; step++) block[step] += centred * weights[row * horizon + step];
    }
    out.set(block.subarray(0, steps - done), done);
    const joined = new Float64Array(inputSize + horizon);
    joined.set(context);
    joined.set(block, inputSize);
    context = joined.slice(-inputSize);
  }
  return out;
}

function targetsKnown(values: ArrayLike<number>, from: number, count: number): boolean {
  for (let row = from; row < from + count; row++) if (!Number.isFinite(values[row])) return false;
  return true;
}

/** X'X (upper half) and X'Y of one window. */
function accumulate(gram: Float64Array, moment: Float64Array, window: Float64Array, inputSize: number, horizon: number): void {
  for (let row = 0; row < inputSize; row++) {
    const value = window[row];
    for (let column = row; column < inputSize; column++) gram[row * inputSize + column] += value * window[column];
    for (let step = 0; step < horizon; step++) moment[row * horizon + step] += value * window[inputSize + step];
  }
}

/** Solve A X = B for a symmetric positive definite A, given by its upper half, by Cholesky. A is overwritten. */
export function solveSymmetric(a: Float64Array, b: Float64Array, size: number, columns: number): Float64Array {
  for (let row = 0; row < size; row++) {
    for (let inner = 0; inner < row; inner++) {
      const factor = a[inner * size + row];
      if (factor !== 0) for (let column = row; column < size; column++) a[row * size + column] -= factor * a[inner * size + column];
    }
    const pivot = Math.sqrt(a[row * size + row]);
    if (!(pivot > 0)) throw new DataError('ridge: the windows are all constant or hold no finite value, so nothing can be fitted. Leave the series out, or raise the penalty.');
    for (let column = row; column < size; column++) a[row * size + column] /= pivot;
  }
  const x = b.slice();
  for (let row = 0; row < size; row++) {
    for (let inner = 0; inner < row; inner++) subtractRow(x, row, inner, a[inner * size + row], columns);
    for (let column = 0; column < columns; column++) x[row * columns + column] /= a[row * size + row];
  }
  for (let row = size - 1; row >= 0; row--) {
    for (let inner = row + 1; inner < size; inner++) subtractRow(x, row, inner, a[row * size + inner], columns);
    for (let column = 0; column < columns; column++) x[row * columns + column] /= a[row * size + row];
  }
  return x;
}

function subtractRow(x: Float64Array, row: number, from: number, factor: number, columns: number): void {
  if (factor === 0) return;
  for (let column = 0; column < columns; column++) x[row * columns + column] -= factor * x[from * columns + column];
}
