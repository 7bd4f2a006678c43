import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backendMatrix, BOUNDS, tensorError } from '@mamba360/testing';
import { describe, expect, it } from 'vitest';
import { useBackend } from '../backend/index.ts';
import { float32Values, readSafetensors } from '../checkpoints/index.ts';
import { runMamba2Golden, runMamba3Golden, runMambaGolden } from '../layers/golden-mamba.ts';
import { runBackboneGolden } from './golden-backbone.ts';

const golden = join(process.env.MAMBA360_SHARED ?? resolve(fileURLToPath(import.meta.url), '../../../../../../shared'), 'golden');
const present = existsSync(golden);
const cases = (family: string, prefix: string): string[] =>
  present ? readdirSync(join(golden, family)).filter((name) => name.startsWith(prefix) && name.endsWith('.json')).map((name) => join(golden, family, name.slice(0, -5))) : [];
const tensorsOf = async (path: string) => readSafetensors(new Uint8Array(await readFile(path))).tensors;

describe.skipIf(!present).each(present ? await backendMatrix(useBackend) : [])('golden cases beside the repository, on %s', (backend) => {
  it.each([...cases('block_mamba', 'mamba1_'), ...cases('block_mamba', 'mamba2_'), ...cases('block_mamba', 'mamba3_')])('%s', async (base) => {
    await useBackend(backend);
    const { params, outputs } = JSON.parse(await readFile(`${base}.json`, 'utf8')) as { params: Record<string, unknown>; outputs: Record<string, unknown> };
    const run = base.includes('mamba3_') ? runMamba3Golden : base.includes('mamba2_') ? runMamba2Golden : runMambaGolden;
    const comparisons = run(await tensorsOf(`${base}.safetensors`), params);
    expect(comparisons.map(({ name }) => name).toSorted()).toEqual(Object.keys(outputs).toSorted());
    for (const { name, actual, expected } of comparisons) expect(tensorError(actual, expected).relative, name).toBeLessThan(name.startsWith('grad_') ? BOUNDS.gradient : BOUNDS.output);
  });

  it.each(cases('mamba_ssm_models', 'mamba_ssm_'))('%s', async (base) => {
    await useBackend(backend);
    const tensors = await tensorsOf(`${base}.safetensors`);
    const config = JSON.parse(await readFile(join(base, 'config.json'), 'utf8')) as Record<string, unknown>;
    const rows = (name: string): number[][] => {
      const [count, length] = tensors.get(name)!.shape;
      const values = [...float32Values(tensors.get(name)!)];
      return Array.from({ length: count }, (_, row) => values.slice(row * length, (row + 1) * length));
    };
    const greedy = rows('greedy');
    const ids = rows('input_ids');
    const result = runBackboneGolden(await tensorsOf(join(base, 'model.safetensors')), config, ids, greedy[0].length - ids[0].length);
    expect(tensorError(result.logits, float32Values(tensors.get('logits')!)).relative).toBeLessThan(BOUNDS.output);
    expect(result.greedy).toEqual(greedy);
  });
});
