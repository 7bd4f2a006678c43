import { BackendError, ConfigError, SsmError } from '../errors/index.ts';
import type { TargetName } from '../kernels/target.ts';
import { fillGaps } from './gaps/fill-gaps.ts';
import { setKernelTarget } from './kernel-registry.ts';
import type { KernelBackendName } from './kernel-registry.ts';
import { isNode, loadTensorflowBackend, loadWasmBackend } from './load-tensorflow-backend.ts';
import { chooseKernels } from './choose-kernels.ts';
import type { KernelChoice } from './choose-kernels.ts';
import { tf } from './tensorflow.ts';

export type BackendName = KernelBackendName;

export interface UseBackendOptions {
  readonly name?: BackendName | 'auto' | undefined;
  /** Forces the plain SIMD WebAssembly build, whose results are the same bits on every machine. Default: false. */
  readonly deterministic?: boolean | undefined;
  /** Threads of the kernels; the results do not depend on it. Default: one for each core the process may use. */
  readonly threads?: number | undefined;
  /** One target by name, or a target made by hand. Default: 'auto', the fastest that loads. */
  readonly kernels?: KernelChoice | undefined;
  /**
   * Addon on Linux with glibc: the process keeps freed memory (up to 1 GiB at the end of its heap) for its next arrays instead of handing it
   * back after every garbage collection. Default: true. It is a setting of the whole process and stays; false leaves the allocator alone.
   */
  readonly keepMemory?: boolean | undefined;
}

/** What `useBackend` picked. */
export interface BackendReport {
  readonly backend: BackendName;
  readonly kernels: { readonly target: TargetName; readonly instructionSet: string; readonly threads: number };
  readonly precision: 'float32';
  /** Why this backend and these kernels, and why not better ones; one sentence each. */
  readonly reasons: string[];
}

/** tfjs' cpu backend prints an advert for tfjs-node on first use; libraries do not print. */
function silenceAdvert(): void {
  const backend = tf.backend() as { firstUse?: boolean };
  if ('firstUse' in backend) backend.firstUse = false;
}

/** Emscripten's runtime hooks itself into the process's uncaught errors and prints its own source there; the function removes what came since. */
function rememberListeners(): () => void {
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const before = events.map((event) => new Set<unknown>(process.listeners(event as 'uncaughtException')));
  return () => events.forEach((event, i) => {
    for (const listener of process.listeners(event as 'uncaughtException')) if (!before[i]!.has(listener)) process.removeListener(event, listener);
  });
}

async function start(name: BackendName): Promise<void> {
  if (name === 'tensorflow') await loadTensorflowBackend();
  if (name === 'wasm') await loadWasmBackend();
  const forget = name === 'wasm' && isNode() ? rememberListeners() : () => {};
  const started = await tf.setBackend(name);
  forget();
  if (!started) throw new BackendError(`The tfjs backend '${name}' did not start. Use another of tensorflow, wasm, cpu.`);
  await tf.ready();
  if (name === 'cpu') silenceAdvert();
}

const oneLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0]!;

async function startFirst(names: readonly BackendName[], reasons: string[]): Promise<BackendName> {
  for (const name of names) {
    try {
      await start(name);
      return name;
    } catch (error) {
      if (names.length === 1) {
        if (SsmError.isInstance(error)) throw error;
        throw new BackendError(`The backend '${name}' did not start: ${oneLine(error)}. Use 'auto' to take the best one that does.`, { cause: error });
      }
      reasons.push(`${name}: ${oneLine(error)}`);
    }
  }
  throw new BackendError(`No backend started: ${reasons.join(' ')} Install one: npm install @tensorflow/tfjs-backend-wasm@4.22.0`);
}

/**
 * Starts a tfjs backend, loads the compiled kernels for it, fills the gaps of tfjs there, and makes it the active one.
 *
 * @param choice - A name ('tensorflow', 'wasm', 'cpu', or 'auto') or `{ name, deterministic, threads, kernels }`. 'auto' is the default: in Node
 * tensorflow, then wasm, then cpu; in a browser wasm, then cpu (webgpu comes first once its kernels exist).
 * @returns The backend, the kernel target with its instruction set and threads, the precision, and the reasons in words.
 * @throws BackendError if the named backend, or every one of the automatic order, does not start.
 * @throws DependencyError if the package of a named backend is missing; the message holds the install line.
 * @throws ConfigError for an unknown name. KernelError if a kernel target asked for by name does not load.
 * @remarks May be called again, for another backend too. Prints nothing.
 * @example
 * const { backend, kernels } = await useBackend('auto');
 */
export async function useBackend(choice: BackendName | 'auto' | UseBackendOptions = 'auto'): Promise<BackendReport> {
  const options: UseBackendOptions = typeof choice === 'string' ? { name: choice } : choice;
  const { name = 'auto', deterministic = false, threads, kernels = 'auto', keepMemory = true } = options;
  const known: readonly BackendName[] = isNode() ? ['tensorflow', 'wasm', 'cpu'] : ['wasm', 'cpu'];
  if (name !== 'auto' && !['tensorflow', 'wasm', 'cpu'].includes(name)) {
    throw new ConfigError(`useBackend: backend is '${String(name)}', expected auto, tensorflow, wasm or cpu (the others have no kernels of this project). Leave it out for auto.`);
  }
  const reasons: string[] = [];
  if (name === 'auto' && !isNode()) reasons.push('webgpu: kernels for it are not written yet.');
  const backend = await startFirst(name === 'auto' ? known : [name], reasons);
  reasons.push(name === 'auto' ? `${backend}: the first of ${known.join(', ')} that started.` : `${backend}: asked for by name.`);
  fillGaps(backend);
  const target = await chooseKernels(backend, { deterministic, threads, kernels, keepMemory }, reasons);
  setKernelTarget(backend, target);
  return { backend, kernels: { target: target.name, instructionSet: target.instructionSet, threads: target.threads }, precision: 'float32', reasons };
}

export type { KernelChoice };
