import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '@mamba360/ssm/backend';
import { Random } from '@mamba360/ssm/random';
import { addSteps, parseFrequency } from '../data/frequency.ts';
import { fromRows } from '../data/from-rows.ts';
import type { Row } from '../data/from-rows.ts';
import { splitTail } from '../data/split.ts';
import type { Table } from '../data/table.ts';
import * as metrics from '../metrics/index.ts';
import { Forecaster } from './forecaster.ts';
import type { ForecasterOptions } from './forecaster-options.ts';

const hourly = parseFrequency('h');
const start = Date.UTC(2024, 0, 1);

/** Two columns of daily waves with noise: learnable, and not by repeating the last value. */
function waves(count: number, id = 's', seed = 1): Row[] {
  const random = Random.fromSeed(seed);
  return Array.from({ length: count }, (_, row) => ({
    unique_id: id, ds: addSteps(start, row, hourly), a: 10 + 3 * Math.sin(row * Math.PI / 12) + 0.3 * random.nextNormal(), b: 100 - 20 * Math.cos(row * Math.PI / 12) + 2 * random.nextNormal(),
    wind: Math.sin(row * Math.PI / 12), region: id,
  }));
}
const toTable = (rows: Row[], extra: object = {}): Table => fromRows(rows, { target: ['a', 'b'], ...extra });
const tiny: ForecasterOptions = { preset: 'tiny', horizon: 6, inputSize: 24, frequency: 'h', seed: 3 };
const quick = { epochs: 2, stepsPerEpoch: 8, batchSize: 16 };

let fitted: Forecaster;
const table = toTable(waves(400));
const { before } = splitTail(table, 48);
beforeAll(async () => {
  await useBackend('cpu');
  fitted = await Forecaster.create(tiny);
  await fitted.fit(before, quick);
});
afterAll(() => { fitted.dispose(); });

describe('forecast', () => {
  it('gives the next rows of every target with nested intervals', async () => {
    const forecast = await fitted.forecast({ level: [50, 80, 95] });
    const [first] = [...forecast.table.rows()];
    expect(Object.keys(first)).toEqual(['unique_id', 'ds', ...['a', 'b'].flatMap(target => ['mean', 'lo-50', 'hi-50', 'lo-80', 'hi-80', 'lo-95', 'hi-95'].map(name => `${target}-${name}`))]);
    expect(first.ds).toBe('2024-01-15 16:00:00');
    for (const row of forecast.table.rows()) {
      const values = ['a-lo-95', 'a-lo-80', 'a-lo-50', 'a-mean', 'a-hi-50', 'a-hi-80', 'a-hi-95'].map(name => row[name] as number);
      expect(values).toEqual([...values].sort((x, y) => x - y));
    }
  });

  it('clips mean and bounds to a minimum, in forecast, backtest and stream', async () => {
    // The forecast of "a" swings between about 7 and 13: 10 cuts its lower half off.
    const free = await fitted.forecast({ level: [80], horizon: 24 }), clipped = await fitted.forecast({ level: [80], horizon: 24, minimum: 10 });
    for (const name of ['a-mean', 'a-lo-80', 'a-hi-80', 'b-lo-80']) {
      expect([...clipped.table.rows()].map(row => row[name])).toEqual([...free.table.rows()].map(row => Math.max(10, row[name] as number)));
    }
    expect(clipped.toCsv()).not.toBe(free.toCsv());
    const { forecasts } = await fitted.backtest(table, { windows: 2, minimum: 10 });
    for (const made of forecasts) for (const row of made.table.rows()) expect(Math.min(row['a-mean'] as number, row['a-lo-95'] as number)).toBeGreaterThanOrEqual(10);
    for await (const { forecast } of fitted.stream(waves(401).slice(400), { history: table, minimum: 1000 })) expect([...forecast.table.rows()].map(row => row['a-mean'])).toEqual(Array(6).fill(1000));
    await expect(fitted.forecast({ minimum: Number.NEGATIVE_INFINITY })).rejects.toThrow(/forecast: minimum is -Infinity, expected a finite number/);
  });

  it('beats naive, seasonal naive and the window mean on waves with noise', async () => {
    const scores = (await fitted.backtest(table, { windows: 8, stride: 6 })).score([metrics.mae(), metrics.mase({ season: 24 }), metrics.crps(), metrics.coverage(95)]);
    for (const name of ['naive', 'seasonal naive', 'mean of']) expect(scores.model.scores.mae).toBeLessThan(scores.of(name)!.scores.mae);
    expect(scores.model.scores['coverage-95']).toBeGreaterThan(80);
    expect(scores.toString()).toMatch(/^\s+mae\s+mase\s+crps\s+coverage-95\nmamba /);
  });

  it('rolls beyond its horizon and says so', async () => {
    const forecast = await fitted.forecast({ level: [90], horizon: 20 });
    expect(forecast.series[0].times).toHaveLength(20);
    expect(forecast.notes[0]).toMatch(/Rows 7 to 20 are rolled/);
    const short = await fitted.forecast({ level: [90] });
    expect([...forecast.series[0].columns.a.mean.subarray(0, 6)]).toEqual([...short.series[0].columns.a.mean]);
    const width = (step: number): number => forecast.series[0].columns.a.intervals[0].high[step] - forecast.series[0].columns.a.mean[step];
    expect(width(19)).toBeGreaterThan(width(5));
  });

  it('takes unseen series at any level and unit', async () => {
    const { a, b } = (await fitted.forecast({ history: before })).series[0].columns;
    const moved = before.with(before.series.map(series => ({ ...series, id: 'new', values: { a: series.values.a.map(value => 1e4 + 1000 * value), b: series.values.b } })));
    const forecast = await fitted.forecast({ history: moved });
    forecast.series[0].columns.a.mean.forEach((value, step) => { expect(value / (1e4 + 1000 * a.mean[step])).toBeCloseTo(1, 4); });
    expect([...forecast.series[0].columns.b.mean]).toEqual([...b.mean]);
  });

  it('says what is wrong', async () => {
    const fresh = await Forecaster.create(tiny);
    await expect(fresh.forecast()).rejects.toThrowErrorMatchingInlineSnapshot(`[ConfigError: forecast: this forecaster is not trained (or was disposed). Call fit(table) first, or Forecaster.load(folder).]`);
    await expect(fresh.fit(toTable(waves(35)), quick)).rejects.toThrowErrorMatchingInlineSnapshot(`[DataError: fit: series "s" has 35 rows, 6 of them held back, expected at least 36 (input size 24 + horizon 6 + held back). Give more rows, ask for a smaller inputSize or horizon, hold back less (validation, calibration), or leave the series out.]`);
    await expect(fresh.fit(toTable(waves(100).filter((_, row) => row !== 50)), quick)).rejects.toThrow(/1 row missing, first after 2024-01-03 01:00:00.*fillGaps/);
    await expect(fresh.fit(toTable([...waves(100), ...waves(1)]), quick)).rejects.toThrow(/1 stamp repeats/);
    await expect(fitted.forecast({ history: toTable(waves(10)) })).rejects.toThrow(/"s" has 10 rows, expected at least 24/);
    expect((await fitted.forecast({ history: toTable(waves(10)), short: 'pad' })).series[0].columns.a.mean).toHaveLength(6);
    await expect(Forecaster.create({ ...tiny, model: 'transformer' as 'mamba' }).then(one => one.fit(before, quick))).rejects.toThrow(/model: got "transformer", expected one of mamba, lstm, dlinear, identity/);
    await expect(Forecaster.create({ ...tiny, horizon: 0 })).rejects.toThrow(/horizon is 0/);
    await expect(Forecaster.create({ ...tiny, loss: { kind: 'quantile', quantiles: [0.1, 0.9] } })).rejects.toThrow(/0.5 among them/);
    await expect(fitted.forecast({ level: [101] })).rejects.toThrow(/level: got 101/);
  });
});

describe('leakage: nothing after the cut changes anything before it', () => {
  /** The same rows, but wild from row `cut` on. */
  const wild = (cut: number): Table => toTable(waves(400).map((row, index) => (index < cut ? row : { ...row, a: 1e6 * (index % 7), b: -1e5 })));

  it('training: weights, scaler and forecasts do not see the rows held back', async () => {
    // Validation rows may choose the epoch, so here the rows held back are all for calibration.
    const rows = 352, options = { ...quick, epochs: 1, validation: false, calibration: 0.2 } as const;
    const one = await Forecaster.create(tiny), other = await Forecaster.create(tiny);
    await one.fit(before, options);
    // 70 rows are held back: everything from row 282 on is not training.
    await other.fit(splitTail(wild(rows - 70), 48).before, options);
    const [mine, theirs] = await Promise.all([one.files(), other.files()]);
    const scaler = (files: Map<string, Uint8Array>): unknown => (JSON.parse(new TextDecoder().decode(files.get('preprocessing.json'))) as { scaler: unknown }).scaler;
    expect(scaler(theirs)).toEqual(scaler(mine));
    const history = splitTail(before, 100).before;
    const forecast = (await one.forecast({ history })).toCsv();
    expect((await other.forecast({ history })).toCsv()).toBe(forecast);
    // The test would notice: one changed row more, inside training, changes the forecast.
    await other.fit(splitTail(wild(rows - 71), 48).before, options);
    expect((await other.forecast({ history })).toCsv()).not.toBe(forecast);
    one.dispose();
    other.dispose();
  });

  it('backtest: a forecast does not see what comes after it', async () => {
    const calm = await fitted.backtest(table, { windows: 4, stride: 12 });
    const first = calm.forecasts[0];
    const cut = 400 - 6 - 36;
    const stormy = await fitted.backtest(wild(cut), { windows: 4, stride: 12 });
    expect(stormy.forecasts[0].toCsv()).toBe(first.toCsv());
    expect(stormy.forecasts[1].toCsv()).not.toBe(calm.forecasts[1].toCsv());
  });

  it('baselines: the ridge and naive rows are fitted before the first cut', async () => {
    const scores = (await fitted.backtest(table, { windows: 1 })).score([metrics.mae()]);
    const shifted = (await fitted.backtest(toTable(waves(400).map((row, index) => (index < 394 ? row : { ...row, a: (row.a as number) + 1000, b: (row.b as number) + 1000 }))), { windows: 1 })).score([metrics.mae()]);
    scores.rows.forEach((row, index) => { expect(shifted.rows[index].scores.mae).toBeCloseTo(1000 , -2); expect(row.scores.mae).toBeLessThan(30); });
  });
});

describe('one seed decides everything', () => {
  it('two runs give equal bits, another seed does not', async () => {
    const run = async (seed: number): Promise<string> => {
      const one = await Forecaster.create({ ...tiny, seed, network: { dropout: 0.2 } });
      await one.fit(before, { ...quick, epochs: 1, start: 'zero' });
      const csv = (await one.forecast({ level: [80] })).toCsv();
      one.dispose();
      return csv;
    };
    const first = await run(3);
    expect(await run(3)).toBe(first);
    expect(await run(4)).not.toBe(first);
  });
});

describe('save and load', () => {
  it('gives the same forecast, from a folder and from memory', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'forecaster-'));
    try {
      await fitted.save(join(folder, 'model'));
      expect((await readdir(join(folder, 'model'))).sort()).toEqual(['config.json', 'model.safetensors', 'preprocessing.json']);
      const expected = (await fitted.forecast({ level: [80, 90] })).toCsv();
      for (const source of [join(folder, 'model'), { files: await fitted.files() }]) {
        const loaded = await Forecaster.load(source);
        await expect(loaded.forecast()).rejects.toThrow(/a loaded forecaster knows no rows/);
        expect((await loaded.forecast({ history: before, level: [80, 90] })).toCsv()).toBe(expected);
        expect(loaded.summary()).toBe(fitted.summary());
        loaded.dispose();
      }
      await expect(Forecaster.load(folder)).rejects.toThrow(/config.json is missing/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('stream', () => {
  it('forecasts each row as forecast() does from the same rows, gaps included', async () => {
    const rows = waves(60).filter((_, row) => row !== 40);
    const made: string[] = [];
    for await (const { forecast } of fitted.stream(rows)) made.push(forecast.toCsv());
    expect(made).toHaveLength(59 - 23);
    const history = toTable(rows).fillGaps({ frequency: 'h' });
    expect(made.at(-1)).toBe((await fitted.forecast({ history })).toCsv());
  });

  it('goes on from a history, refuses rows out of order, and stops with break', async () => {
    const live = waves(401).slice(352);
    let first: string | undefined;
    for await (const { forecast } of fitted.stream(live, { history: before })) {
      first = forecast.toCsv();
      break;
    }
    expect(first).toBe((await fitted.forecast({ history: splitTail(table, 47).before })).toCsv());
    const backwards = async (): Promise<void> => { for await (const _ of fitted.stream([live[1], live[0]], { history: before })) { /* only the error matters */ } };
    await expect(backwards()).rejects.toThrow(/2024-01-15 16:00:00 after 2024-01-15 17:00:00, expected a later row/);
  });
});

describe('models, covariates, missing values', () => {
  it.each(['lstm', 'dlinear', 'identity'] as const)('%s trains and forecasts', async model => {
    const one = await Forecaster.create({ ...tiny, model });
    const run = await one.fit(before, quick);
    expect(run.history.map(row => row.epoch)).toEqual([1, 2]);
    expect((await one.forecast({ level: [80] })).series[0].columns.b.mean.every(Number.isFinite)).toBe(true);
    one.dispose();
  });

  it('many series, labels, covariates known ahead, a point loss with conformal intervals', async () => {
    const rows = [...waves(150, 'north', 1), ...waves(130, 'south', 2)];
    const data = fromRows(rows, { target: 'a', covariates: ['b', 'wind'], labels: ['region'] });
    const one = await Forecaster.create({ ...tiny, covariates: { past: ['b'], future: ['wind'], static: ['region'] }, loss: 'mse' });
    const { before: known, after } = splitTail(data, 6);
    await one.fit(known, { ...quick, epochs: 1 });
    await expect(one.forecast()).rejects.toThrow(/"wind" of series "north" is known ahead/);
    const forecast = await one.forecast({ future: after, level: [80] });
    expect(forecast.series.map(series => series.id)).toEqual(['north', 'south']);
    expect(forecast.get('south')!.times[0]).toBe(addSteps(start, 124, hourly));
    await expect(one.forecast({ future: after, level: [99.9] })).rejects.toThrow(/only \d+ held-out forecasts calibrate it/);
    one.dispose();
  });

  it('masks missing values in windows and targets', async () => {
    const holes = toTable(waves(352).map((row, index) => (index % 5 === 0 || (index > 100 && index < 140) ? { ...row, a: null } : row)));
    const one = await Forecaster.create(tiny);
    const run = await one.fit(holes, quick);
    expect(run.history.every(row => Number.isFinite(row.loss))).toBe(true);
    expect((await one.forecast()).series[0].columns.a.mean.every(Number.isFinite)).toBe(true);
    one.dispose();
  });

  it('backtest with refit trains before each cut', async () => {
    const result = await fitted.backtest(splitTail(table, 250).before, { windows: 2, stride: 20, refit: true });
    expect(result.forecasts).toHaveLength(2);
    expect(result.score([metrics.mae()]).model.scores.mae).toBeGreaterThan(0);
  });
});

describe('housekeeping', () => {
  it('leaks no tensors and stops on a signal', async () => {
    const count = tf.memory().numTensors;
    const one = await Forecaster.create(tiny);
    await one.fit(before, { ...quick, epochs: 1 });
    await one.forecast({ level: [80] });
    await one.backtest(table, { windows: 2 });
    one.dispose();
    one.dispose();
    const controller = new AbortController();
    const stopped = await Forecaster.create(tiny);
    const work = stopped.fit(before, { ...quick, epochs: 1000, signal: controller.signal, onProgress: event => { if (event.type === 'batch-end') controller.abort(); } });
    await expect(work).rejects.toMatchObject({ code: 'aborted' });
    expect(tf.memory().numTensors).toBe(count);
  });
});
