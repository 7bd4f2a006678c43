import { KernelError } from '../errors/index.ts';
import { WORKER_SOURCE } from './embedded/worker.generated.ts';

/** Places in the block of 32-bit numbers that the threads share. `kernels/worker.js` uses the same numbers. */
export const SYNC = {
  generation: 0, kernel: 1, phase: 2, tasks: 3, next: 4, pending: 5, failed: 6, call: 7, workspace: 8, scratch: 9, stride: 10, stop: 11, length: 16,
} as const;

/** What a worker needs to start. */
export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly syncOffset: number;
  readonly stackPointer: number;
  readonly thread: number;
}

interface PoolWorker {
  readonly ready: Promise<void>;
  terminate(): void;
}

/** May this thread sleep on `Atomics.wait`? True in Node and in a Web Worker of a cross-origin isolated page, false on a page's main thread. */
export function mayUseThreads(): boolean {
  if (typeof SharedArrayBuffer === 'undefined') return false;
  if (typeof process === 'object' && typeof process.versions?.node === 'string') return true;
  return globalThis.crossOriginIsolated === true && typeof document === 'undefined' && typeof Worker === 'function';
}

function startNodeWorker(start: WorkerStart): PoolWorker {
  const { Worker: NodeWorker } = process.getBuiltinModule('node:worker_threads');
  const worker = new NodeWorker(WORKER_SOURCE, { eval: true });
  const ready = new Promise<void>((resolve, reject) => {
    worker.once('message', () => resolve());
    worker.once('error', reject);
  });
  worker.postMessage(start);
  // Only once it is ready: an unref'ed worker would let the process end while we wait for it.
  void ready.then(() => worker.unref(), () => {});
  return { ready, terminate: () => void worker.terminate() };
}

function startWebWorker(start: WorkerStart, workerUrl: string | URL | undefined): PoolWorker {
  const blob = workerUrl ? undefined : URL.createObjectURL(new Blob([WORKER_SOURCE], { type: 'text/javascript' }));
  const worker = new Worker(workerUrl ?? (blob as string));
  const ready = new Promise<void>((resolve, reject) => {
    worker.addEventListener('message', () => resolve(), { once: true });
    worker.addEventListener('error', (event) => reject(new Error(event.message || 'the worker script could not be loaded')), { once: true });
  }).finally(() => { if (blob) URL.revokeObjectURL(blob); });
  worker.postMessage(start);
  return { ready, terminate: () => worker.terminate() };
}

/**
 * Threads beside the calling one, asleep between calls. The pool is started and awaited at load, so that no call waits for a worker that
 * needs the caller's event loop to start.
 */
export interface ThreadPool {
  /** Runs the tasks of one phase on all threads; `work` is the calling thread's part: it takes tasks until none is left. */
  runPhase(job: { kernel: number; phase: number; tasks: number; call: number; workspace: number; scratch: number; stride: number }, work: (sync: Int32Array) => void): void;
  dispose(): void;
}

export async function startThreads(starts: readonly WorkerStart[], workerUrl: string | URL | undefined): Promise<ThreadPool> {
  const first = starts[0] as WorkerStart;
  const sync = new Int32Array(first.memory.buffer, first.syncOffset, SYNC.length);
  const isNode = typeof process === 'object' && typeof process.versions?.node === 'string';
  const workers = starts.map((start) => (isNode ? startNodeWorker(start) : startWebWorker(start, workerUrl)));
  try {
    await Promise.all(workers.map((worker) => worker.ready));
  } catch (cause) {
    for (const worker of workers) worker.terminate();
    throw new KernelError('A thread of the kernel pool could not start. Load with `threads: 1`, or give `workerUrl` where the page\'s policy forbids workers from blobs.', { cause });
  }
  let poisoned = false;
  return {
    runPhase(job, work) {
      if (poisoned) throw new KernelError('The kernel pool is unusable since a kernel trapped on one of its threads. Load the kernels again (`useBackend`), and report the first error.');
      sync.set([job.kernel, job.phase, job.tasks, 0, starts.length, 0, job.call, job.workspace, job.scratch, job.stride], SYNC.kernel);
      Atomics.add(sync, SYNC.generation, 1);
      Atomics.notify(sync, SYNC.generation);
      let failure: unknown;
      try { work(sync); } catch (error) {
        failure = error;
        Atomics.store(sync, SYNC.next, 0x3fffffff);
      }
      for (let pending = Atomics.load(sync, SYNC.pending); pending > 0; pending = Atomics.load(sync, SYNC.pending)) Atomics.wait(sync, SYNC.pending, pending);
      if (failure === undefined && Atomics.load(sync, SYNC.failed) === 0) return;
      poisoned = true;
      throw new KernelError('A kernel trapped on a thread of the pool; the outputs of this call are undefined and the pool is closed. Report this as a bug with the shapes of the call.', { cause: failure });
    },
    dispose() {
      Atomics.store(sync, SYNC.stop, 1);
      Atomics.add(sync, SYNC.generation, 1);
      Atomics.notify(sync, SYNC.generation);
      for (const worker of workers) worker.terminate();
    },
  };
}
