import type { BackendName } from '../../backend/index.ts';
import { float32Values, readSafetensors, writeFileSafely } from '../../checkpoints/index.ts';
import { tf } from '../../backend/tensorflow.ts';
import { disposeState, saveState, stateLeaves } from '../../layers/index.ts';
import type { SequenceResult } from '../../layers/index.ts';
import { Random } from '../../random/index.ts';
import { worstErrors } from './measure.ts';
import type { Measured } from './measure.ts';
import { lawMembers } from './members.ts';
import type { LawRow } from './state-law.ts';

/**
 * The part of the law that needs a second process (Node only): run 6 steps, save the state, let another process build the model anew, load the state and
 * run 7 more; equal to 13 steps in one call here.
 *
 * @param backend - Active here, and started there.
 * @param options.members - Names of `lawMembers()`. Default: all.
 */
export async function checkNewProcess(backend: BackendName, options: { seed?: number; members?: readonly string[] } = {}): Promise<LawRow[]> {
  const { mkdtemp, readFile, rm } = await import('node:fs/promises');
  const { tmpdir } = await import('node:os');
  const { join } = await import('node:path');
  const seed = options.seed ?? 0;
  const members = lawMembers().filter(({ name }) => options.members?.includes(name) ?? true);
  const folder = await mkdtemp(join(tmpdir(), 'mamba360-law-'));
  try {
    const truths: Measured[] = [];
    for (const [index, member] of members.entries()) {
      const random = Random.fromSeed(`new process ${seed}`).split(member.name);
      const layer = member.create(random.split('parameters'));
      const head = member.input(6, random.split('head'));
      const tail = member.input(7, random.split('tail'));
      const first = layer.apply(head);
      await writeFileSafely(join(folder, `${index}.state.safetensors`), await saveState(first.state, layer));
      const whole = layer.apply(tf.tidy(() => tf.concat([head, tail], 1)));
      const rest = tf.tidy(() => tf.slice(whole.output, [0, 6, 0], [1, 7, whole.output.shape[2]!]));
      truths.push(measuredOf({ output: rest, state: whole.state }));
      tf.dispose([head, tail, first.output, whole.output, rest]);
      disposeState(first.state);
      disposeState(whole.state);
      layer.dispose();
    }
    await runWorker([folder, backend, String(seed), ...members.map(({ name }) => name)]);
    return await Promise.all(members.map(async (member, index) => {
      const { tensors } = readSafetensors(new Uint8Array(await readFile(join(folder, `${index}.result.safetensors`))));
      const actual: Measured = new Map([...tensors].map(([name, stored]) => [name, { kind: name === 'output' ? 'output' : 'state', values: float32Values(stored) }]));
      const errors = worstErrors(actual, truths[index]);
      const worst = errors.state.error > errors.output.error ? errors.state.tensor : errors.output.tensor;
      return { member: member.name, property: 'new process', output: errors.output.error, state: errors.state.error, gradient: null, worst };
    }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function measuredOf({ output, state }: SequenceResult): Measured {
  const measured: Measured = new Map([['output', { kind: 'output', values: Float32Array.from(output.dataSync()) }]]);
  for (const [name, tensor] of stateLeaves(state)) measured.set(name, { kind: 'state', values: Float32Array.from(tensor.dataSync()) });
  return measured;
}

async function runWorker(parameters: string[]): Promise<void> {
  const { execFile } = await import('node:child_process');
  const { createRequire } = await import('node:module');
  const { fileURLToPath, pathToFileURL } = await import('node:url');
  // From source the worker is TypeScript and needs a loader; built, it is plain JavaScript.
  const source = import.meta.url.endsWith('.ts');
  const worker = fileURLToPath(new URL(source ? 'new-process-worker.ts' : 'new-process-worker.js', import.meta.url));
  const loader = source ? ['--conditions=@mamba360/source', '--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href] : [];
  await new Promise<void>((resolve, reject) => {
    execFile(process.execPath, [...loader, worker, ...parameters], (error, _stdout, stderr) => (error ? reject(new Error(`the second process failed: ${stderr.slice(-2000)}`, { cause: error })) : resolve()));
  });
}
