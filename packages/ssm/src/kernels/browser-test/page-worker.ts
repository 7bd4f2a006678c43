/** Runs the calls in a Web Worker, where threads may be. The targets stay loaded afterwards, their threads asleep. */
import type { KernelTarget } from '../target.ts';
import type { WasmVariant } from '../wasm-module.ts';
import { createWasmTarget } from '../wasm-target.ts';
import { digestsOf, joinOutputs, readCalls } from './calls-file.ts';

export interface WorkerJob {
  readonly variant: WasmVariant;
  readonly threads: number;
  /** Where given, the outputs themselves go to the server under this name. */
  readonly name?: string;
}
export interface WorkerAnswer {
  readonly threads?: number;
  readonly digests?: readonly string[];
  readonly error?: string;
}

const targets: KernelTarget[] = [];

async function run(file: ArrayBuffer, { variant, threads, name }: WorkerJob): Promise<WorkerAnswer> {
  const calls = readCalls(file), target = await createWasmTarget({ variant, threads });
  targets.push(target);
  for (const call of calls) target.run(call);
  if (name !== undefined) await fetch(`/results?name=${name}`, { method: 'POST', body: joinOutputs(calls) });
  return { threads: target.threads, digests: await digestsOf(calls) };
}

globalThis.onmessage = (event: MessageEvent<{ file: ArrayBuffer; job: WorkerJob }>): void => {
  run(event.data.file, event.data.job).then((answer) => { globalThis.postMessage(answer); }, (error: unknown) => { globalThis.postMessage({ error: String(error) }); });
};
