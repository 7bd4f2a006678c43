import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { useBackend } from '@mamba360/ssm/backend';
import { readModelFolder } from '@mamba360/ssm/checkpoints';
import { assignParameters } from '@mamba360/ssm/layers';
import { beijingSet, evaluate } from '../../../scripts/shipped-model/evaluation.ts';
import type { PoolSeries } from '../../../scripts/shipped-model/series-pool.ts';
import { ZeroShotNetwork } from './network.ts';
import type { ZeroShotConfig } from './network.ts';

const folder = new URL('../../../weights/zero-shot/', import.meta.url).pathname;
const card = JSON.parse(readFileSync(`${folder}model-card.json`, 'utf8')) as { metrics: { data: string; value: number; coverage80: number }[]; baselines: { data: string; name: string; value: number }[] };
let network: ZeroShotNetwork;

beforeAll(async () => {
  await useBackend('wasm');
  const { config, tensors } = await readModelFolder(folder);
  network = ZeroShotNetwork.create(config as unknown as ZeroShotConfig);
  assignParameters(network.parameters, tensors);
});
afterAll(() => { network.dispose(); });

it('the shipped weights reach what their card says, on the test year that lies in the package', () => {
  const lines = gunzipSync(readFileSync(new URL('../../../data/beijing-pm25-2013-2014.csv.gz', import.meta.url))).toString('utf8').trim().split('\n');
  const columns = lines[0].split(',');
  const rows = lines.slice(1).map((line) => line.split(',')).filter((row) => row[0].startsWith('2014'));
  const series = ['TEMP', 'PRES', 'pm2.5'].map((name): PoolSeries => {
    const at = columns.indexOf(name);
    return { name, values: Float32Array.from(rows, (row) => (row[at] === '' ? Number.NaN : Number(row[at]))), seasons: [24, 168] };
  });
  const score = evaluate(network, beijingSet(series, network.config));
  const said = card.metrics.find((row) => row.data === score.name)!;
  const naive = card.baselines.find((row) => row.data === score.name && row.name === 'seasonal naive')!;
  expect(score.windows).toBe(525);
  // The card has four digits, made on another backend.
  expect(Math.abs(score.meanAbsoluteError - said.value)).toBeLessThan(5e-4 * said.value);
  expect(Math.abs(score.seasonalNaive - naive.value)).toBeLessThan(5e-4 * naive.value);
  expect(Math.abs(score.coverage80 - said.coverage80)).toBeLessThan(2e-3);
  expect(score.meanAbsoluteError).toBeLessThan(0.8 * score.seasonalNaive);
});
