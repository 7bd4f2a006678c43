import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { useBackend } from '@mamba360/ssm/backend';
import { readModelFolder } from '@mamba360/ssm/checkpoints';
import { assignParameters } from '@mamba360/ssm/layers';
import { evaluate, evaluationSets } from '../../../scripts/shipped-model/evaluation.ts';
import { classicSeries, nabSeries } from '../../../scripts/shipped-model/series-pool.ts';
import { ZeroShotNetwork } from './network.ts';
import type { ZeroShotConfig } from './network.ts';

const shared = process.env.MAMBA360_SHARED;

it.skipIf(shared === undefined)('the shipped weights reach every row of their card', async () => {
  await useBackend('auto');
  const folder = new URL('../../../weights/zero-shot/', import.meta.url).pathname;
  const card = JSON.parse(readFileSync(`${folder}model-card.json`, 'utf8')) as { metrics: { data: string; value: number; windows: number }[] };
  const { config, tensors } = await readModelFolder(folder);
  const network = ZeroShotNetwork.create(config as unknown as ZeroShotConfig);
  assignParameters(network.parameters, tensors);
  const sets = evaluationSets(`${shared!}/data`, { nab: nabSeries(`${shared!}/data`).held, classic: classicSeries(`${shared!}/data`).held }, network.config);
  expect(sets.map((set) => set.name)).toEqual(card.metrics.map((row) => row.data));
  for (const set of sets) {
    const score = evaluate(network, set);
    const said = card.metrics.find((row) => row.data === set.name)!;
    expect(score.windows).toBe(said.windows);
    expect(Math.abs(score.meanAbsoluteError - said.value)).toBeLessThan(5e-4 * said.value);
  }
  network.dispose();
}, 120_000);
