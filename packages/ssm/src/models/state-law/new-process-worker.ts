import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { useBackend } from '../../backend/index.ts';
import type { BackendName } from '../../backend/index.ts';
import { storeTensor, writeFileSafely, writeSafetensors } from '../../checkpoints/index.ts';
import { loadState, stateLeaves } from '../../layers/index.ts';
import { Random } from '../../random/index.ts';
import { lawMembers } from './members.ts';

/** The process that continues: builds every member anew by its seed, loads the state files, goes on. Arguments: folder, backend, seed, names. */
const [folder, backend, seed, ...names] = process.argv.slice(2);
await useBackend(backend as BackendName);
for (const [index, member] of lawMembers().filter(({ name }) => names.includes(name)).entries()) {
  const random = Random.fromSeed(`new process ${seed}`).split(member.name);
  const layer = member.create(random.split('parameters'));
  const state = await loadState(new Uint8Array(await readFile(join(folder, `${index}.state.safetensors`))), layer);
  const result = layer.apply(member.input(7, random.split('tail')), { state });
  const tensors = [['output', result.output] as const, ...stateLeaves(result.state)].map(([name, tensor]) =>
    [name, storeTensor(tensor.dataSync() as Float32Array, tensor.shape)] as const);
  await writeFileSafely(join(folder, `${index}.result.safetensors`), writeSafetensors(tensors));
}
