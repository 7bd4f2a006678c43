import { ConfigError, KernelError } from '../errors/index.ts';
import { checkCall } from './buffer-lengths.ts';
import { CALL, PLAN } from './call-layout.ts';
import type { Plan } from './call-layout.ts';
import { kernelNumber } from './kernel-numbers.ts';
import type { KernelBuffer, KernelCall, KernelTarget } from './target.ts';
import { foreignAllocator, ownAllocator } from './wasm-memory.ts';
import type { BlockAllocator } from './wasm-memory.ts';
import { loadWasmModule } from './wasm-module.ts';
import type { WasmExports, WasmSource, WasmVariant } from './wasm-module.ts';
import { mayUseThreads, startThreads, SYNC } from './wasm-threads.ts';
import type { ThreadPool } from './wasm-threads.ts';

export interface WasmTargetOptions extends WasmSource {
  /** `simd` is the same everywhere, bit for bit; `relaxed` is faster where the engine has it (`hasRelaxedSimd`). */
  readonly variant: WasmVariant;
  /** A memory that belongs to someone else, such as tfjs' wasm backend. Buffers that are views of it are used in place. Threads need it shared. */
  readonly memory?: WebAssembly.Memory;
  /** Allocator of that memory: bytes to offset, 0 on failure. Required with `memory`. */
  readonly allocate?: (bytes: number) => number;
  readonly free?: (offset: number) => void;
  /** Threads, the caller included. Default 1. More than one needs shared memory and a thread that may sleep. */
  readonly threads?: number;
  /** Address of `kernels/worker.js`, where the page's policy forbids workers from blobs. */
  readonly workerUrl?: string | URL;
}

const STACK_BYTES = 131072;
const CONTROL_BYTES = 4096;
const CONTROL = { call: 1024, plan: 1536, sync: 2048 } as const;

const aligned = (bytes: number, alignment = 64): number => Math.ceil(bytes / alignment) * alignment;

function writeCall(memory: WebAssembly.Memory, at: number, call: KernelCall, inputs: readonly number[], outputs: readonly number[]): void {
  const integers = new Int32Array(memory.buffer, at, CALL.scalars / 4);
  integers.fill(0);
  integers.set(inputs, CALL.inputs / 4);
  integers.set(outputs, CALL.outputs / 4);
  integers.set(call.integers, CALL.integers / 4);
  const scalars = new Float64Array(memory.buffer, at + CALL.scalars, (CALL.size - CALL.scalars) / 8);
  scalars.fill(0);
  scalars.set(call.scalars ?? []);
}

function readPlan(memory: WebAssembly.Memory, at: number): Plan {
  const bytes = new Float64Array(memory.buffer, at, 2), counts = new Int32Array(memory.buffer, at + PLAN.phases, (PLAN.size - PLAN.phases) / 4);
  return { workspaceBytes: bytes[0] as number, scratchBytes: bytes[1] as number, tasks: [...counts.subarray(1, 1 + (counts[0] as number))] };
}

/** A view of the same kind as `buffer`, at an offset of the memory as it is now. */
function viewLike(memory: WebAssembly.Memory, buffer: KernelBuffer, offset: number): KernelBuffer {
  const Kind = buffer.constructor as new (source: ArrayBufferLike, offset: number, length: number) => KernelBuffer;
  return new Kind(memory.buffer, offset, buffer.length);
}

class WasmTarget implements KernelTarget {
  readonly name;
  readonly instructionSet;
  readonly threads;
  readonly #exports: WasmExports;
  readonly #allocator: BlockAllocator;
  readonly #control: number;
  readonly #pool: ThreadPool | undefined;
  #lastCallBytes = 0;
  #highWaterBytes = 0;
  #disposed = false;
  readonly #onDispose: () => void;

  constructor(variant: WasmVariant, exports: WasmExports, allocator: BlockAllocator, control: number, pool: ThreadPool | undefined, threads: number, onDispose: () => void) {
    this.name = variant === 'simd' ? 'wasm-simd' as const : 'wasm-relaxed' as const;
    this.instructionSet = variant === 'simd' ? 'wasm simd128' : 'wasm relaxed simd';
    this.threads = threads;
    this.#exports = exports;
    this.#allocator = allocator;
    this.#control = control;
    this.#pool = pool;
    this.#onDispose = onDispose;
  }

  run(call: KernelCall): void {
    if (this.#disposed) throw new KernelError(`${call.kernel}: this kernel target was disposed. Load another one (\`loadKernelTarget\` or \`useBackend\`).`);
    checkCall(call);
    const memory = this.#allocator.memory, kernel = kernelNumber(call.kernel), at = this.#control + CONTROL.call;
    const inside = (buffer: KernelBuffer): boolean => buffer.buffer === memory.buffer;
    // Offsets of views are read now: growing the memory detaches them.
    const buffers = [...call.inputs, ...call.outputs];
    const offsets = buffers.map((buffer) => (buffer === null ? 0 : inside(buffer) ? buffer.byteOffset : -1));
    const inputCount = call.inputs.length;
    writeCall(memory, at, call, offsets.slice(0, inputCount), offsets.slice(inputCount));
    if (this.#exports.plan(kernel, at, this.#control + CONTROL.plan) !== 0) throw new KernelError(`${call.kernel}: this WebAssembly build does not know the kernel. Run \`node tooling/kernels/build-wasm.mjs\`.`);
    const plan = readPlan(memory, this.#control + CONTROL.plan);
    if ((plan.tasks[0] ?? 0) === 0) {
      for (const output of call.outputs) output?.fill(0);
      return;
    }
    const workspace = aligned(plan.workspaceBytes), stride = aligned(plan.scratchBytes, 4096);
    const own = workspace + stride * this.threads;
    const copied = buffers.reduce((sum, buffer, i) => sum + (offsets[i] === -1 ? aligned((buffer as KernelBuffer).byteLength) : 0), 0);
    const block = this.#allocator.reserve(own + copied, call.kernel);
    try {
      let next = block + own;
      const placed = buffers.map((buffer, i) => {
        if (offsets[i] !== -1) return offsets[i] as number;
        const offset = next;
        next += aligned((buffer as KernelBuffer).byteLength);
        if (i < inputCount) (viewLike(memory, buffer as KernelBuffer, offset) as Float32Array).set(buffer as Float32Array);
        return offset;
      });
      writeCall(memory, at, call, placed.slice(0, inputCount), placed.slice(inputCount));
      this.#runPhases(kernel, plan, at, block, block + workspace, stride);
      call.outputs.forEach((output, i) => {
        if (output && offsets[inputCount + i] === -1) (output as Float32Array).set(viewLike(memory, output, placed[inputCount + i] as number) as Float32Array);
      });
    } finally {
      this.#allocator.release();
    }
    this.#lastCallBytes = own;
    this.#highWaterBytes = Math.max(this.#highWaterBytes, own);
  }

  #runPhases(kernel: number, plan: Plan, call: number, workspace: number, scratch: number, stride: number): void {
    const exports = this.#exports, pool = this.#pool;
    plan.tasks.forEach((tasks, phase) => {
      if (!pool || tasks < 2) return exports.run(kernel, phase, 0, tasks, call, workspace, scratch);
      return pool.runPhase({ kernel, phase, tasks, call, workspace, scratch, stride }, (sync) => {
        for (let task = Atomics.add(sync, SYNC.next, 1); task < tasks; task = Atomics.add(sync, SYNC.next, 1)) exports.run(kernel, phase, task, task + 1, call, workspace, scratch);
      });
    });
  }

  memory() {
    return { lastCallBytes: this.#lastCallBytes, highWaterBytes: this.#highWaterBytes, heapBytes: this.#allocator.memory.buffer.byteLength };
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#pool?.dispose();
    this.#onDispose();
  }
}

/**
 * Loads the WebAssembly kernels on a memory of their own or on one that exists.
 *
 * @returns The target; the caller disposes it (which ends its threads and gives its blocks back to a foreign allocator).
 * @throws ConfigError if `memory` comes without its allocator, or threads are asked for where they cannot be.
 * @throws KernelError if a worker cannot start.
 */
export async function createWasmTarget(options: WasmTargetOptions): Promise<KernelTarget> {
  const threads = options.threads ?? 1;
  if (!Number.isInteger(threads) || threads < 1) throw new ConfigError(`createWasmTarget: threads is ${threads}, expected an integer of at least 1.`);
  const foreign = options.memory;
  if (foreign && !(options.allocate && options.free)) throw new ConfigError('createWasmTarget: a foreign `memory` was given without `allocate` and `free`. Pass the allocator of its owner.');
  const isShared = foreign ? typeof SharedArrayBuffer !== 'undefined' && foreign.buffer instanceof SharedArrayBuffer : threads > 1;
  if (threads > 1 && !(isShared && mayUseThreads())) {
    throw new ConfigError(isShared ? 'createWasmTarget: threads need shared memory and a thread that may sleep: Node, or a Web Worker of a cross-origin isolated page. Use `threads: 1` here.'
      : 'createWasmTarget: a foreign memory that is not shared runs on one thread. Leave out `threads` or `memory`.');
  }
  const module = await loadWasmModule(options.variant, isShared, options);
  const reserved = CONTROL_BYTES + STACK_BYTES * threads;
  const memory = foreign ?? new WebAssembly.Memory({ initial: Math.ceil((65536 + reserved) / 65536) + 16, maximum: 65536, shared: isShared });
  const first = foreign ? (options.allocate as (bytes: number) => number)(reserved + 64) >>> 0 : 0;
  if (foreign && first === 0) throw new KernelError('createWasmTarget: the foreign allocator gave no room for the kernels\' stack (132 KiB).');
  const control = foreign ? aligned(first) : 0;
  new Uint8Array(memory.buffer, control, CONTROL_BYTES).fill(0);
  const instance = await WebAssembly.instantiate(module, { env: { memory } });
  const exports = instance.exports as unknown as WasmExports;
  const stackPointer = (thread: number): number => control + CONTROL_BYTES + STACK_BYTES * (thread + 1);
  exports.__stack_pointer.value = stackPointer(0);
  const allocator = foreign ? foreignAllocator(memory, options.allocate as (bytes: number) => number, options.free as (offset: number) => void) : ownAllocator(memory, aligned(control + reserved, 65536));
  const starts = Array.from({ length: threads - 1 }, (_, i) => ({ module, memory, syncOffset: control + CONTROL.sync, stackPointer: stackPointer(i + 1), thread: i + 1 }));
  const pool = threads > 1 ? await startThreads(starts, options.workerUrl) : undefined;
  return new WasmTarget(options.variant, exports, allocator, control, pool, threads, () => { if (foreign) options.free?.(first); });
}
