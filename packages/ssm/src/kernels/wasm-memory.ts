import { KernelError, MemoryError } from '../errors/index.ts';

/** WebAssembly addresses end here; memory never shrinks. */
export const MOST_BYTES = 2 ** 32;
const PAGE = 65536;
const ALIGNMENT = 64;

/** Where a target puts its blocks: its own memory, or an allocator of the memory's owner. */
export interface BlockAllocator {
  readonly memory: WebAssembly.Memory;
  /** Reserves `bytes`, aligned to 64, until `release`. Throws MemoryError before anything is allocated. */
  reserve(bytes: number, purpose: string): number;
  release(): void;
}

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

function refuse(purpose: string, needed: number, available: number, cause?: unknown): never {
  throw new MemoryError(
    `${purpose} needs ${mebibytes(needed)} of WebAssembly memory, available are ${mebibytes(Math.max(0, available))} of at most ${mebibytes(MOST_BYTES)}. `
    + 'Use shorter sequences or a smaller batch, or the addon, which has no such limit (`mamba360 kernels build`).',
    cause === undefined ? undefined : { cause },
  );
}

/** A memory of our own: everything from `base` on belongs to the current call. */
export function ownAllocator(memory: WebAssembly.Memory, base: number): BlockAllocator {
  return {
    memory,
    reserve(bytes, purpose) {
      const end = base + bytes;
      if (end > MOST_BYTES - PAGE) refuse(purpose, bytes, MOST_BYTES - PAGE - base);
      const missing = Math.ceil((end - memory.buffer.byteLength) / PAGE);
      if (missing > 0) {
        try { memory.grow(missing); } catch (cause) { refuse(purpose, bytes, memory.buffer.byteLength - base, cause); }
      }
      return base;
    },
    release() {},
  };
}

/** A memory that belongs to someone else, such as tfjs' wasm backend: blocks come from its `malloc`. */
export function foreignAllocator(memory: WebAssembly.Memory, allocate: (bytes: number) => number, free: (offset: number) => void): BlockAllocator {
  let held = 0;
  return {
    memory,
    reserve(bytes, purpose) {
      const wanted = bytes + ALIGNMENT;
      if (wanted > MOST_BYTES - PAGE) refuse(purpose, wanted, MOST_BYTES - memory.buffer.byteLength);
      if (held) throw new KernelError('A kernel was called from inside another kernel on the same WebAssembly memory. Report this as a bug.');
      let offset = 0;
      try { offset = allocate(wanted) >>> 0; } catch (cause) { refuse(purpose, wanted, MOST_BYTES - memory.buffer.byteLength, cause); }
      if (offset === 0) refuse(purpose, wanted, MOST_BYTES - memory.buffer.byteLength);
      held = offset;
      return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
    },
    release() {
      if (held) free(held);
      held = 0;
    },
  };
}
