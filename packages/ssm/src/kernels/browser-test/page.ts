/**
 * What the test page runs on its main thread.
 */
import { loadKernelTarget } from '../load-kernel-target.ts';
import type { LoadKernelOptions } from '../load-kernel-target.ts';
import type { KernelTarget } from '../target.ts';
import { hasRelaxedSimd } from '../wasm-module.ts';
import { createWasmTarget } from '../wasm-target.ts';
import { digestsOf, readCalls } from './calls-file.ts';
import type { WorkerAnswer, WorkerJob } from './page-worker.ts';

/** What happened on the main thread while kernels ran there. */
interface MainThreadReport {
  readonly digests: readonly string[];
  readonly threads: number;
  readonly reasons: readonly string[];
  /** Calls of functions of `Atomics` by name, and workers started. */
  readonly atomics: Readonly<Record<string, number>>;
  readonly workers: number;
  /** Calls of kernels, and how many of them had a turn of the event loop before and after. */
  readonly calls: number;
  readonly callsBetweenTicks: number;
}

/** Functions the test calls by `page.evaluate`. */
export interface TestPage {
  readonly isolated: boolean;
  readonly relaxed: boolean;
  runOnMainThread(options: LoadKernelOptions): Promise<MainThreadReport>;
  askForThreadsOnMainThread(): Promise<string>;
  runInWorker(job: WorkerJob): Promise<WorkerAnswer>;
  /** A loop that keeps the main thread busy for a while, to show that the measure of idleness sees one. */
  spin(additions: number): number;
}

declare global {
  interface Window { kernels: TestPage }
}

const targets: KernelTarget[] = []; // kept, so that an idle pool would show
const workers: Worker[] = [];

/** Counts calls of `Atomics` and of `new Worker` until `stop`. */
function watch(): { stop(): Pick<MainThreadReport, 'atomics' | 'workers'> } {
  const counts: Record<string, number> = {}, originals = new Map<string, unknown>(), table = Atomics as unknown as Record<string, unknown>, OriginalWorker = globalThis.Worker;
  let started = 0;
  for (const name of Object.getOwnPropertyNames(Atomics)) {
    const original = table[name];
    if (typeof original !== 'function') continue;
    originals.set(name, original);
    table[name] = (...values: unknown[]): unknown => {
      counts[name] = (counts[name] ?? 0) + 1;
      return Reflect.apply(original, Atomics, values);
    };
  }
  globalThis.Worker = class extends OriginalWorker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      started++;
    }
  };
  return {
    stop() {
      for (const [name, original] of originals) table[name] = original;
      globalThis.Worker = OriginalWorker;
      return { atomics: counts, workers: started };
    },
  };
}

let fetched: Promise<ArrayBuffer> | undefined;
/** The calls as Node has made them; every run reads a copy. */
const callsFile = (): Promise<ArrayBuffer> => (fetched ??= fetch('/calls').then((response) => response.arrayBuffer()));

window.kernels = {
  isolated: globalThis.crossOriginIsolated,
  relaxed: hasRelaxedSimd(),
  async runOnMainThread(options) {
    const calls = readCalls((await callsFile()).slice()), watched = watch();
    let ticks = 0, callsBetweenTicks = 0;
    const timer = setInterval(() => { ticks++; }, 1);
    const tick = async (): Promise<boolean> => {
      const before = ticks;
      for (let turn = 0; turn < 200; turn++) {
        await new Promise((resolve) => { setTimeout(resolve, 1); });
        if (ticks > before) return true;
      }
      return false;
    };
    const { target, report } = await loadKernelTarget(options);
    targets.push(target);
    let ticked = await tick();
    for (const call of calls) {
      target.run(call);
      const after = await tick();
      if (ticked && after) callsBetweenTicks++;
      ticked = after;
    }
    clearInterval(timer);
    const seen = watched.stop();
    return { digests: await digestsOf(calls), threads: report.threads, reasons: report.reasons, ...seen, calls: calls.length, callsBetweenTicks };
  },
  async askForThreadsOnMainThread() {
    try {
      await createWasmTarget({ variant: 'simd', threads: 2 });
      return 'no error';
    } catch (error) {
      return String(error);
    }
  },
  async runInWorker(job) {
    const file = await callsFile(), worker = new Worker('/page-worker.js', { type: 'module' });
    workers.push(worker);
    return new Promise((resolve, reject) => {
      worker.addEventListener('message', (event: MessageEvent<WorkerAnswer>) => { resolve(event.data); });
      worker.addEventListener('error', (event) => { reject(new Error(event.message || 'the worker script did not load')); });
      worker.postMessage({ file, job });
    });
  },
  spin(additions) {
    let sum = 0;
    for (let i = 0; i < additions; i++) sum = (sum + i) % 1_000_003;
    return sum;
  },
};
