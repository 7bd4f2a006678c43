import type { PoolSeries } from './series-pool.ts';
import type { RandomSource } from './random-source.ts';

const SEASON_PAIRS: readonly (readonly [number, number])[] = [
  [24, 168], [24, 168], [24, 168], [7, 0], [7, 365], [12, 0], [12, 0], [4, 0], [52, 0], [48, 336], [96, 0], [288, 0], [0, 0], [0, 0],
];

/** A smooth periodic profile of `period` steps with a few random harmonics, zero mean, unit scale. */
function profile(random: RandomSource, period: number): Float64Array {
  const shape = new Float64Array(period);
  const harmonics = 1 + random.integer(Math.min(6, Math.max(1, Math.floor(period / 2))));
  for (let k = 1; k <= harmonics; k++) {
    const amplitude = random.normal() / k ** (0.3 + random.uniform());
    const phase = 2 * Math.PI * random.uniform();
    for (let i = 0; i < period; i++) shape[i] += amplitude * Math.sin((2 * Math.PI * k * i) / period + phase);
  }
  if (random.uniform() < 0.3) for (let i = 0; i < period; i++) shape[i] = Math.max(shape[i], -0.3);
  const mean = shape.reduce((a, b) => a + b, 0) / period;
  const scale = Math.sqrt(shape.reduce((a, b) => a + (b - mean) ** 2, 0) / period) || 1;
  return shape.map((value) => (value - mean) / scale);
}

/**
 * A generated series of `length` steps: trend, one or two seasons (drifting in strength), autoregressive noise, level shifts, spikes, counts, or a random walk.
 * It teaches the shape of calendars and nothing of any user's data.
 */
export function syntheticSeries(random: RandomSource, length: number): PoolSeries {
  const [first, second] = SEASON_PAIRS[random.integer(SEASON_PAIRS.length)];
  const values = new Float64Array(length);
  const trend = random.uniform() < 0.5 ? (random.normal() * 2) / length : 0;
  const bend = random.uniform() < 0.2 ? (random.normal() * 2) / length ** 2 : 0;
  const noise = 0.005 * 200 ** random.uniform();
  const memory = random.uniform() < 0.5 ? random.uniform() * 0.98 : 0;
  const walk = random.uniform() < 0.35 ? 0.002 * 100 ** random.uniform() : 0;
  const seasonal = first > 0 && random.uniform() < 0.9 ? profile(random, first) : undefined;
  const longer = second > 0 && random.uniform() < 0.7 ? profile(random, second) : undefined;
  const strength = 0.3 + random.uniform() * 2;
  const longerStrength = random.uniform();
  const multiplicative = random.uniform() < 0.3;
  const offset = random.integer(10_000);
  let state = 0;
  let level = 0;
  let drift = 1;
  for (let t = 0; t < length; t++) {
    state = memory * state + Math.sqrt(1 - memory * memory) * noise * random.normal();
    level += walk * random.normal();
    drift += 0.003 * random.normal() * (drift > 1.5 ? -1 : 1);
    if (random.uniform() < 0.0006) level += random.normal() * 2;
    const cycle = (seasonal ? strength * drift * seasonal[(t + offset) % first] : 0) + (longer ? longerStrength * longer[(t + offset) % second] : 0);
    const base = level + trend * t + bend * t * t;
    values[t] = (multiplicative ? Math.exp(0.5 * (base * 0.3 + cycle * 0.5 + state * 0.5)) : base + cycle + state) + (random.uniform() < 0.002 ? random.normal() * 4 : 0);
  }
  if (random.uniform() < 0.12) {
    // Counts with a small mean: many users' series look like this.
    const scale = 0.5 + random.uniform() * 3;
    for (let t = 0; t < length; t++) values[t] = Math.max(0, Math.round(values[t] * scale + scale));
  }
  return { name: 'synthetic', values: Float32Array.from(values), seasons: [first, second] };
}
