import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import * as tf from '@tensorflow/tfjs';
import { CANDIDATES, zeroShotBatch } from '../../src/models/zero-shot/index.ts';
import type { ZeroShotNetwork, ZeroShotShape } from '../../src/models/zero-shot/index.ts';
import type { PoolSeries } from './series-pool.ts';
import { beijingSeries } from './series-pool.ts';
import { sampleAt } from './samples.ts';
import type { Sample } from './samples.ts';

/** Samples of a data set that trains nothing, cut to the horizon that is scored. */
export interface EvaluationSet { readonly name: string; readonly horizon: number; readonly samples: readonly Sample[] }

function samplesOf(name: string, horizon: number, cuts: Iterable<readonly [PoolSeries, number]>, shape: ZeroShotShape): EvaluationSet {
  const samples: Sample[] = [];
  for (const [series, at] of cuts) {
    const sample = sampleAt(series, at, shape.contextLength, shape);
    if (sample) samples.push({ ...sample, future: sample.future.map((value, step) => (step < horizon ? value : Number.NaN)) });
  }
  return { name, horizon, samples };
}

function* stride(series: readonly PoolSeries[], from: (series: PoolSeries) => number, step: number, horizon: number): Generator<readonly [PoolSeries, number]> {
  for (const one of series) for (let at = from(one); at + horizon <= one.values.length; at += step) yield [one, at];
}

const numbers = (line: string): number[] => line.split(',').slice(1).map((cell) => cell.replaceAll('"', '')).filter((cell) => cell !== '' && cell !== 'NA').map(Number);
const lines = (path: string): string[] => gunzipSync(readFileSync(path)).toString('utf8').trim().split('\n');

/** Every 47th cut of the given series of 2014, 24 steps ahead: the test split that also lies in the package, as example data. */
export function beijingSet(series: readonly PoolSeries[], shape: ZeroShotShape): EvaluationSet {
  return samplesOf('beijing-pm25 2014, 24 h', 24, stride(series, () => shape.contextLength, 47, 24), shape);
}

/** Sets held back from the pool's own sources, and sets of other sources that may be scored but not trained on (their licences forbid shipping). */
export function evaluationSets(folder: string, held: { readonly nab: readonly PoolSeries[]; readonly classic: readonly PoolSeries[] }, shape: ZeroShotShape): EvaluationSet[] {
  const sets: EvaluationSet[] = [];
  const beijing = beijingSeries(folder, [2014]).filter((series) => /(pm2\.5|TEMP|PRES)$/.test(series.name));
  sets.push(beijingSet(beijing, shape));
  sets.push(samplesOf('nab, series held back, 48 steps', 48, stride(held.nab, (series) => Math.floor(series.values.length / 2), 131, 48), shape));
  sets.push(samplesOf('univariate, last fifth, 12 steps', 12, stride(held.classic, (series) => Math.ceil(series.values.length * 0.8), 5, 12), shape));
  const etth1 = lines(`${folder}/timeseries/etth1/ETTh1.csv.gz`).slice(1).map(numbers);
  const columns = etth1[0].map((_, c) => ({ name: `etth1/${c}`, values: Float32Array.from(etth1.slice(0, 14400), (row) => row[c]), seasons: [24, 168] as [number, number] }));
  sets.push(samplesOf('etth1 test, 48 h', 48, stride(columns, () => 11520, 48, 48), shape));
  for (const [name, seasons, horizon] of [['Hourly', [24, 168], 48], ['Weekly', [52, 0], 13]] as const) {
    const train = lines(`${folder}/timeseries/m4/${name}-train.csv.gz`).slice(1).map(numbers);
    const test = lines(`${folder}/timeseries/m4/${name}-test.csv.gz`).slice(1).map(numbers);
    sets.push(samplesOf(`m4 ${name.toLowerCase()} test, ${horizon} steps`, horizon, train.map((row, i) => [{ name, values: Float32Array.from([...row, ...test[i]]), seasons }, row.length] as const), shape));
  }
  const rates = lines(`${folder}/timeseries/exchange-rate/exchange_rate.txt.gz`).map((line) => line.split(',').map(Number));
  const currencies = rates[0].map((_, c) => ({ name: `exchange/${c}`, values: Float32Array.from(rates, (row) => row[c]), seasons: [7, 0] as [number, number] }));
  sets.push(samplesOf('exchange-rate test, 30 days', 30, stride(currencies, () => 6071, 60, 30), shape));
  return sets;
}

/** Sums over a set, in normalised units. */
export interface EvaluationScore {
  readonly name: string;
  readonly windows: number;
  readonly pinball: number;
  readonly meanAbsoluteError: number;
  readonly seasonalNaive: number;
  readonly naive: number;
  /** Share of windows where the model's absolute error is below seasonal naive's. */
  readonly winsAgainstSeasonalNaive: number;
  readonly coverage80: number;
  readonly coverage95: number;
}

/** Scores a network on a set: errors of the median beside naive and seasonal naive on the same steps, coverage of the bands. */
export function evaluate(network: ZeroShotNetwork, set: EvaluationSet): EvaluationScore {
  const { quantiles, horizon } = network.config;
  const Q = quantiles.length;
  const middle = (Q - 1) / 2;
  const K = CANDIDATES.length;
  const season = CANDIDATES.indexOf('season');
  const sums = { pinball: 0, model: 0, season: 0, last: 0, wins: 0, in80: 0, in95: 0, steps: 0 };
  for (let from = 0; from < set.samples.length; from += 128) {
    const samples = set.samples.slice(from, from + 128);
    const values = tf.tidy(() => network.forward(zeroShotBatch(samples.map((sample) => sample.window), network.config)).dataSync());
    samples.forEach((sample, i) => {
      let model = 0;
      let naive = 0;
      for (let step = 0; step < horizon; step++) {
        const truth = sample.future[step];
        if (!Number.isFinite(truth)) continue;
        const row = (i * horizon + step) * Q;
        model += Math.abs(truth - values[row + middle]);
        naive += Math.abs(truth - sample.window.candidates[step * K + season]);
        sums.last += Math.abs(truth - sample.window.candidates[step * K]);
        quantiles.forEach((level, k) => { sums.pinball += Math.max(level * (truth - values[row + k]), (level - 1) * (truth - values[row + k])) / Q; });
        if (truth >= values[row + middle - 1] && truth <= values[row + middle + 1]) sums.in80++;
        if (truth >= values[row] && truth <= values[row + Q - 1]) sums.in95++;
        sums.steps++;
      }
      sums.model += model;
      sums.season += naive;
      if (model < naive) sums.wins++;
    });
  }
  const { steps } = sums;
  return {
    name: set.name, windows: set.samples.length, pinball: sums.pinball / steps, meanAbsoluteError: sums.model / steps, seasonalNaive: sums.season / steps,
    naive: sums.last / steps, winsAgainstSeasonalNaive: sums.wins / set.samples.length, coverage80: sums.in80 / steps, coverage95: sums.in95 / steps,
  };
}
