import { zeroShotWindow } from '../../src/models/zero-shot/window.ts';
import type { ZeroShotShape, ZeroShotWindow } from '../../src/models/zero-shot/window.ts';
import type { RandomSource } from './random-source.ts';
import type { PoolSeries } from './series-pool.ts';

export interface Sample {
  readonly window: ZeroShotWindow;
  /** Normalised values after the window, NaN where missing. */
  readonly future: Float32Array;
}

/** The sample of `series` whose first forecast step is `at`; undefined where the history or the future holds too little. */
export function sampleAt(series: PoolSeries, at: number, context: number, shape: ZeroShotShape): Sample | undefined {
  const history = series.values.subarray(Math.max(0, at - context), at);
  let seen = 0;
  for (const value of history) if (Number.isFinite(value)) seen++;
  if (seen < 8) return undefined;
  const window = zeroShotWindow(history, series.seasons, shape);
  const future = new Float32Array(shape.horizon).fill(Number.NaN);
  let known = 0;
  for (let step = 0; step < shape.horizon && at + step < series.values.length; step++) {
    const value = series.values[at + step];
    if (!Number.isFinite(value)) continue;
    future[step] = (value - window.center) / window.scale;
    known++;
  }
  return known > 0 ? { window, future } : undefined;
}

/** A random sample of the pool: a series, a cut, and in a third of the cases a short history. */
export function randomSample(pool: readonly PoolSeries[], random: RandomSource, shape: ZeroShotShape): Sample {
  for (;;) {
    const series = pool[random.integer(pool.length)];
    const at = 8 + random.integer(Math.max(1, series.values.length - 12));
    const context = random.uniform() < 0.33 ? 12 + random.integer(shape.contextLength - 12) : shape.contextLength;
    const sample = sampleAt(series, at, context, shape);
    // A flat history with a jump after it would dominate the loss without teaching anything.
    if (sample && sample.future.every((value) => !(Math.abs(value) > 30))) return sample;
  }
}
