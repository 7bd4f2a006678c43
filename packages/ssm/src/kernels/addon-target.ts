import { ConfigError, KernelError, MemoryError } from '../errors/index.ts';
import { checkCall } from './buffer-lengths.ts';
import { kernelNumber } from './kernel-numbers.ts';
import type { KernelBuffer, KernelCall, KernelTarget } from './target.ts';

/** What `kernels/addon.c` exports. */
export interface Addon {
  run(kernel: number, inputs: readonly (KernelBuffer | null)[], outputs: readonly (KernelBuffer | null)[], integers: readonly number[], scalars: readonly number[], threads: number, level: number): number;
  start(threads: number): number;
  /** Has the process keep freed blocks for its next arrays; false where the C library cannot. For good: there is no way back. */
  keepMemory(): boolean;
  /** Instruction sets this processor has, best first. */
  readonly levels: readonly string[];
}

export interface AddonTargetOptions {
  /** Threads, the caller included. Default: the processors of the machine, at most 8. */
  readonly threads?: number | undefined;
  /** A lesser instruction set than the processor's best, for tests and comparisons: `avx512`, `avx2`, `sse4.2`, `neon`. */
  readonly instructionSet?: string | undefined;
  /** Keep freed memory (up to 1 GiB at the end of the heap) for the next arrays. Default: true. False leaves the process's allocator alone. */
  readonly keepMemory?: boolean | undefined;
}

const NO_SCALARS: readonly number[] = [];

class AddonTarget implements KernelTarget {
  readonly name = 'addon';
  readonly instructionSet: string;
  readonly threads: number;
  readonly #addon: Addon;
  readonly #level: number;
  #lastCallBytes = 0;
  #highWaterBytes = 0;

  constructor(addon: Addon, level: number, threads: number) {
    this.#addon = addon;
    this.#level = level;
    this.instructionSet = addon.levels[level] as string;
    this.threads = threads;
  }

  run(call: KernelCall): void {
    checkCall(call);
    let bytes: number;
    try {
      bytes = this.#addon.run(kernelNumber(call.kernel), call.inputs, call.outputs, call.integers, call.scalars ?? NO_SCALARS, this.threads, this.#level);
    } catch (cause) {
      const text = `${call.kernel}: ${(cause as Error).message}.`;
      if ((cause as { code?: string }).code === 'memory') throw new MemoryError(`${text} Use shorter sequences or a smaller batch.`, { cause });
      if (cause instanceof KernelError) throw cause;
      throw new KernelError(`${text} Expected typed arrays and null, in the order of SIGNATURES.`, { cause });
    }
    if (bytes < 0) {
      for (const output of call.outputs) output?.fill(0);
      return;
    }
    this.#lastCallBytes = bytes;
    this.#highWaterBytes = Math.max(this.#highWaterBytes, bytes);
  }

  memory() {
    return { lastCallBytes: this.#lastCallBytes, highWaterBytes: this.#highWaterBytes, heapBytes: 0 };
  }

  /** Nothing to do: the pool belongs to the addon and ends with the process. */
  dispose(): void {}
}

/** Wraps a loaded addon. Its thread pool is started here, before the first call. */
export function createAddonTarget(addon: Addon, options: AddonTargetOptions = {}): KernelTarget {
  const level = options.instructionSet === undefined ? 0 : addon.levels.indexOf(options.instructionSet);
  if (level < 0) throw new ConfigError(`The addon on this processor has ${addon.levels.join(', ')}, got instructionSet '${String(options.instructionSet)}'.`);
  const wanted = options.threads ?? defaultThreads();
  if (!Number.isInteger(wanted) || wanted < 1) throw new ConfigError(`threads is ${wanted}, expected an integer of at least 1.`);
  if (options.keepMemory ?? true) addon.keepMemory();
  return new AddonTarget(addon, level, Math.min(wanted, addon.start(wanted)));
}

/** Processors this process may use, at most 8. */
export function defaultThreads(): number {
  const isNode = typeof process === 'object' && typeof process.versions?.node === 'string';
  const available = isNode ? process.getBuiltinModule('node:os').availableParallelism() : (globalThis.navigator?.hardwareConcurrency ?? 1);
  return Math.max(1, Math.min(8, available));
}
