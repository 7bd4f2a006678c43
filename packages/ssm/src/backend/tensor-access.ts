import type { KernelBackend, TensorInfo } from '@tensorflow/tfjs';
import { BackendError, MemoryError } from '../errors/index.ts';

/** An output that a kernel writes and that becomes a tensor when the kernel has run. */
export interface OutputTensor {
  /** Where the kernel writes. Asked for only after all outputs of a call exist, because growing a wasm heap detaches older views. */
  values(): Float32Array;
  finish(): TensorInfo;
  /** Gives the memory back when the kernel failed. */
  discard(): void;
}

/** How kernels reach the float32 numbers of a tfjs backend. */
export interface TensorAccess {
  /** A view where the backend has the numbers in reach, else a copy. Never written to. */
  read(tensor: TensorInfo): Float32Array;
  allocate(shape: number[]): OutputTensor;
}

/** What tfjs-backend-wasm has beyond the public interface; these names are used by its own kernels. */
export interface WasmBackend extends KernelBackend {
  readonly wasm: {
    readonly asm: { readonly memory: WebAssembly.Memory };
    _malloc(bytes: number): number;
    _free(address: number): void;
  };
  makeOutput(shape: number[], dtype: 'float32'): TensorInfo;
  typedArrayFromHeap(tensor: TensorInfo): Float32Array;
  getMemoryOffset(dataId: object): number;
}

const elements = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

interface UnclearedBuffers { allocUnsafeSlow(bytes: number): { readonly buffer: ArrayBuffer; readonly byteOffset: number } }

/** An array that a kernel is going to fill: in Node without the zeroes that `new Float32Array` writes first. Anything may stand in it. */
function unclearedArray(length: number): Float32Array {
  const { Buffer } = globalThis as { Buffer?: UnclearedBuffers };
  if (!Buffer || length === 0) return new Float32Array(length);
  const { buffer, byteOffset } = Buffer.allocUnsafeSlow(length * 4);
  return new Float32Array(buffer, byteOffset, length);
}

/** cpu and tensorflow: numbers are plain arrays, read by `readSync` (no copy on cpu) and handed over by `write`. */
function arrayAccess(backend: KernelBackend): TensorAccess {
  return {
    read: (tensor) => backend.readSync(tensor.dataId) as Float32Array,
    allocate(shape) {
      const values = unclearedArray(elements(shape));
      return {
        values: () => values,
        finish: () => ({ dataId: backend.write(values, shape, 'float32') as TensorInfo['dataId'], shape, dtype: 'float32' }),
        discard: () => {},
      };
    },
  };
}

/** wasm: everything is a view of tfjs' own heap. */
function heapAccess(backend: WasmBackend): TensorAccess {
  return {
    read: (tensor) => backend.typedArrayFromHeap(tensor),
    allocate(shape) {
      const output = backend.makeOutput(shape, 'float32');
      if (elements(shape) > 0 && backend.getMemoryOffset(output.dataId) === 0) {
        backend.disposeData(output.dataId);
        throw new MemoryError(
          `The wasm heap of tfjs has no room for an output of shape [${shape.join(', ')}]: ${elements(shape) * 4} bytes needed, ` +
          `${backend.wasm.asm.memory.buffer.byteLength} bytes held in all, 2 GiB at most. Use a smaller batch or shorter chunks, or the backend 'cpu' or 'tensorflow'.`,
        );
      }
      return {
        values: () => backend.typedArrayFromHeap(output),
        finish: () => output,
        discard: () => { backend.disposeData(output.dataId); },
      };
    },
  };
}

/** The way into one tfjs backend. */
export function tensorAccess(backendName: string, backend: KernelBackend): TensorAccess {
  if (backendName === 'wasm') return heapAccess(backend as WasmBackend);
  if (backendName === 'cpu' || backendName === 'tensorflow') return arrayAccess(backend);
  throw new BackendError(`The tfjs backend '${backendName}' cannot run compiled kernels, expected cpu, wasm or tensorflow. Call \`await useBackend('auto')\`.`);
}
