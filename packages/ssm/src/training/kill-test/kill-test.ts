import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { readSealedSafetensors } from '../../checkpoints/index.ts';
import { Random } from '../../random/index.ts';

export interface KillTestResult {
  /** Kills that hit a running fit. */
  readonly kills: number;
  /** Steps of the checkpoints found after each kill, in order. */
  readonly checkpointSteps: readonly number[];
  /** Checkpoints opened after kills, every one readable. */
  readonly checkpointsRead: number;
  /** Kills after which a half-written temporary file was found: the kill had hit a write. */
  readonly hitDuringWrite: number;
  /** Whether the final weights equal those of a run that was never killed, bit for bit. */
  readonly equal: boolean;
}

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));
const LOADER = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

type Message = { type: string; weights?: string; resumedFrom?: number | null };

/** Starts the worker; `onBatch` may return a delay in milliseconds after which it is killed with SIGKILL. */
function start(folder: string, epochs: number, onBatch?: () => number | undefined): Promise<{ done: Message | undefined; warnings: Message[] }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--conditions=@mamba360/source', '--import', LOADER, WORKER, folder, String(epochs)], { stdio: ['ignore', 'pipe', 'pipe'] });
    let rest = '';
    let complaint = '';
    let done: Message | undefined;
    let killing = false;
    const warnings: Message[] = [];
    child.stderr.on('data', (chunk: Buffer) => { complaint += chunk.toString(); });
    child.stdout.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        const message = JSON.parse(line) as Message;
        if (message.type === 'done') done = message;
        if (message.type === 'warning') warnings.push(message);
        const delay = message.type === 'batch' && !killing ? onBatch?.() : undefined;
        if (delay !== undefined) {
          killing = true;
          setTimeout(() => child.kill('SIGKILL'), delay);
        }
      }
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code !== 0 && !killing) reject(new Error(`worker ended with ${code}: ${complaint}`));
      else resolve({ done, warnings });
    });
  });
}

/**
 * Kills a training process with SIGKILL at random moments, restarts it each time, and compares the end with an uninterrupted run.
 *
 * @param kills - How often.
 * @param seed - Of the moments.
 * @throws Error if a checkpoint cannot be read after a kill, or a restart found a damaged one.
 */
export async function killTest(kills: number, seed = 1): Promise<KillTestResult> {
  const random = Random.fromSeed(seed);
  const folder = await mkdtemp(join(tmpdir(), 'mamba360-kill-'));
  const epochs = kills + 4;
  try {
    const checkpointSteps: number[] = [];
    let checkpointsRead = 0;
    let hitDuringWrite = 0;
    let hits = 0;
    const straight = (await start('none', epochs)).done!;
    let done: Message | undefined;
    while (!done) {
      let batch = 0;
      const target = 1 + random.integer(6);
      const run = await start(folder, epochs, () => (hits < kills && ++batch === target ? random.integer(30) : undefined));
      done = run.done;
      if (run.warnings.length > 0) throw new Error(`a restart found a damaged checkpoint: ${JSON.stringify(run.warnings)}`);
      if (!done) hits++;
      const names = await readdir(folder);
      if (names.some((name) => name.includes('temporary'))) hitDuringWrite++;
      for (const name of names.filter((one) => one.endsWith('.safetensors'))) {
        const { metadata } = await readSealedSafetensors(new Uint8Array(await readFile(join(folder, name))), name);
        checkpointsRead++;
        if (!done) checkpointSteps.push((JSON.parse(metadata.get('mamba360.counters')!) as { step: number }).step);
      }
    }
    return { kills: hits, checkpointSteps, checkpointsRead, hitDuringWrite, equal: done.weights === straight.weights };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
