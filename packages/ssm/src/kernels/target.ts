/** Memory a kernel reads or writes. `Uint8Array` holds control bytes (see `signatures.ts`). */
export type KernelBuffer = Float32Array | Float64Array | Int32Array | Uint8Array;

/** One call of one compiled kernel. The order of buffers, integers and scalars is fixed per kernel in `signatures.ts`. */
export interface KernelCall {
  readonly kernel: string;
  /** Read only. `null` where an optional input is absent. */
  readonly inputs: readonly (KernelBuffer | null)[];
  /** Written completely (they may hold NaN before). `null` where an optional output is not wanted. */
  readonly outputs: readonly (KernelBuffer | null)[];
  readonly integers: readonly number[];
  readonly scalars?: readonly number[];
}

/** `reference` is the float64 debugging target of `ops`, never picked by itself. */
export type TargetName = 'addon' | 'wasm-relaxed' | 'wasm-simd' | 'reference';

/** Bytes a target's own allocator holds, beside the caller's inputs and outputs. */
export interface KernelMemory {
  /** Bytes of scratch and workspace the last call needed. */
  readonly lastCallBytes: number;
  /** Largest value of `lastCallBytes` so far. */
  readonly highWaterBytes: number;
  /** Size of the wasm memory, or 0 for the addon. */
  readonly heapBytes: number;
}

/**
 * A compiled set of kernels: the Node-API addon, or one WebAssembly build on one memory.
 *
 * `run` is synchronous. Buffers that are views of the target's own memory are used in place; others are copied in and out (wasm)
 * or used in place (addon). All byte offsets are taken before any scratch is allocated, because growing a wasm memory detaches views.
 */
export interface KernelTarget {
  readonly name: TargetName;
  /** For example `avx512`, `avx2`, `sse4.2`, `wasm simd128`, `wasm relaxed simd`. */
  readonly instructionSet: string;
  readonly threads: number;
  run(call: KernelCall): void;
  memory(): KernelMemory;
  dispose(): void;
}
