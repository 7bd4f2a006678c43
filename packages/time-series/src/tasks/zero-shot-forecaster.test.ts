import { beforeAll, describe, expect, it } from 'vitest';
import { encodeModelFolder } from '@mamba360/ssm/checkpoints';
import { storeParameters } from '@mamba360/ssm/layers';
import { useBackend } from '@mamba360/ssm/backend';
import { addSteps, parseFrequency } from '../data/frequency.ts';
import { fromRows } from '../data/from-rows.ts';
import * as metrics from '../metrics/index.ts';
import { ZeroShotNetwork } from '../models/zero-shot/index.ts';
import { seasonsOf, ZeroShotForecaster } from './zero-shot-forecaster.ts';

const hourly = parseFrequency('h');
const table = fromRows(Array.from({ length: 120 }, (_, row) => ({
  ds: addSteps(Date.UTC(2024, 0, 1), row, hourly), a: 10 + Math.sin(row * Math.PI / 12) + 0.05 * ((row * 7) % 5), b: row % 11 === 0 ? null : 1000 + 50 * Math.cos(row * Math.PI / 12),
})), { target: ['a', 'b'] });

let model: ZeroShotForecaster;
beforeAll(async () => {
  await useBackend('cpu');
  // Random weights of a small network: what is tested here is the way in and out, not how good it is.
  const network = ZeroShotNetwork.create({ contextLength: 64, patchLength: 8, horizon: 16, dModel: 8, nLayer: 1, dIntermediate: 0, headWidth: 16 }, { seed: 1 });
  const files = encodeModelFolder({ config: { model: 'zero-shot', format: 1, ...network.config }, tensors: await storeParameters(network.parameters), files: new Map([['model-card.json', JSON.stringify({ data: [{ name: 'nothing' }] })]]) });
  network.dispose();
  model = await ZeroShotForecaster.load({ files });
});

describe('zero-shot forecaster', () => {
  it('forecasts every column at any horizon, with the levels it has', async () => {
    expect(model.levels).toEqual([95, 80]);
    const forecast = await model.forecast({ history: table, horizon: 20, level: [80, 95] });
    expect(forecast.madeBy).toMatch(/zero-shot model \(\d+ parameters, trained on nothing\)/);
    expect(forecast.notes).toEqual(['Rows 17 to 20 are rolled: forecasts that build on forecasts.']);
    const [first] = [...forecast.table.rows()];
    expect(first.ds).toBe('2024-01-06 00:00:00');
    for (const row of forecast.table.rows()) {
      const values = ['b-lo-95', 'b-lo-80', 'b-mean', 'b-hi-80', 'b-hi-95'].map(name => row[name] as number);
      expect(values).toEqual([...values].sort((x, y) => x - y));
    }
    await expect(model.forecast({ history: table, horizon: 4, level: [90] })).rejects.toThrow(/level: got 90, but the shipped model has 95 and 80 only/);
  });

  it('does not depend on the unit, down to the smallest', async () => {
    const inUnit = (unit: number) => table.with(table.series.map(series => ({ ...series, values: Object.fromEntries(Object.entries(series.values).map(([name, values]) => [name, values.map(value => value * unit)])) })));
    const lows = async (unit: number): Promise<number[]> => [...(await model.forecast({ history: inUnit(unit), horizon: 20, level: [95] })).table.rows()].map(row => (row['a-lo-95'] as number) / unit);
    const usual = await lows(1);
    for (const unit of [2 ** -30, 2 ** -40, 2 ** -900, 2 ** 300]) expect(await lows(unit)).toEqual(usual);
    expect([...(await model.forecast({ history: inUnit(0), horizon: 2, level: [95] })).table.rows()].map(row => row['a-lo-95'])).toEqual([0, 0]);
  });

  it('clips to a minimum in forecast and backtest, and says where a forecast goes below 0 unasked', async () => {
    const counts = fromRows(Array.from({ length: 60 }, (_, row) => ({ ds: addSteps(Date.UTC(2024, 0, 1), row, hourly), y: row % 7 === 0 ? 9 : 0 })));
    const free = await model.forecast({ history: counts, horizon: 12, level: [80, 95] });
    const freeLow = [...free.table.rows()].map(row => row['lo-95'] as number);
    expect(Math.min(...freeLow)).toBeLessThan(0);
    expect(free.notes).toEqual([expect.stringMatching(/^"y" was never below 0, .*--minimum 0/)]);
    const clipped = await model.forecast({ history: counts, horizon: 12, level: [80, 95], minimum: 0 });
    expect([...clipped.table.rows()].map(row => row['lo-95'])).toEqual(freeLow.map(value => Math.max(value, 0)));
    expect(clipped.notes).toEqual([]);
    const backtest = await model.backtest(counts, { horizon: 8, windows: 2, minimum: 0 });
    for (const made of backtest.forecasts) for (const row of made.table.rows()) expect(Math.min(row['lo-95'] as number, row.mean as number)).toBeGreaterThanOrEqual(0);
    await expect(model.forecast({ history: counts, horizon: 2, minimum: Number.NaN })).rejects.toThrow(/minimum is NaN/);
  });

  it('backtests: sees no row after the cut, and scores the baselines beside', async () => {
    const calm = await model.backtest(table, { horizon: 8, windows: 3 });
    const wild = table.with(table.series.map(series => ({ ...series, values: { ...series.values, a: series.values.a.map((value, row) => (row < 96 ? value : -1e5)) } })));
    const stormy = await model.backtest(wild, { horizon: 8, windows: 3 });
    expect(stormy.forecasts[0].toCsv()).toBe(calm.forecasts[0].toCsv());
    expect(stormy.forecasts[1].toCsv()).not.toBe(calm.forecasts[1].toCsv());
    expect(calm.score([metrics.mae({ scaled: true })]).rows.map(row => row.method.split(' ')[0])).toEqual(['zero-shot', 'naive', 'seasonal', 'drift', 'mean', 'ridge']);
  });

  it('one forecast of the backtest is the forecast from those rows', async () => {
    const before = table.with(table.series.map(series => ({ ...series, times: series.times.slice(0, 112), values: { a: series.values.a.slice(0, 112), b: series.values.b.slice(0, 112) } })));
    const [made] = (await model.backtest(table, { horizon: 8, windows: 1, level: [80] })).forecasts;
    expect(made.toCsv()).toBe((await model.forecast({ history: before, horizon: 8, level: [80] })).toCsv());
  });

  it('says what is wrong', async () => {
    const few = table.with(table.series.map(series => ({ ...series, times: series.times.slice(0, 5), values: { a: series.values.a.slice(0, 5), b: series.values.b.slice(0, 5) } })));
    await expect(model.forecast({ history: few, horizon: 2 })).rejects.toThrow(/"a" has 5 known values before the forecast, expected at least 8/);
    await expect(ZeroShotForecaster.load({ files: new Map() })).rejects.toThrow(/config.json is missing/);
  });

  it('knows the seasons of a frequency', () => {
    expect(['h', '15min', 'D', 'W', 'M', 'Y', '10s', '6h'].map(text => seasonsOf(parseFrequency(text)))).toEqual([[24, 168], [96, 0], [7, 0], [52, 0], [12, 0], [0, 0], [0, 0], [4, 28]]);
  });
});
