import type { KernelConfig, TensorInfo } from '@tensorflow/tfjs';
import type { WasmBackend } from '../tensor-access.ts';
import { tf } from '../tensorflow.ts';

type Replaced = Pick<KernelConfig, 'kernelName' | 'kernelFunc'>;

/** A tensor of the given dtype on tfjs' heap; the public types know float32 only. */
const makeOutput = (backend: WasmBackend, shape: number[], dtype: TensorInfo['dtype']): TensorInfo => backend.makeOutput(shape, dtype as 'float32');

/**
 * The block of `size` at `begin`, copied run by run from heap to heap. A run is everything behind the last axis that is cut.
 *
 * Output first: making it may grow the heap, which detaches every view taken before.
 */
function slice(backend: WasmBackend, x: TensorInfo, begin: readonly number[], size: readonly number[]): TensorInfo {
  const output = makeOutput(backend, [...size], x.dtype);
  const source = backend.typedArrayFromHeap(x);
  const target = backend.typedArrayFromHeap(output);
  if (target.length === 0) return output;
  let cut = size.length - 1;
  while (cut >= 0 && size[cut] === x.shape[cut]) cut--;
  if (cut < 0) {
    target.set(source);
    return output;
  }
  const strides = x.shape.map((_, axis) => x.shape.slice(axis + 1).reduce((product, extent) => product * extent, 1));
  const run = size[cut]! * strides[cut]!;
  const position = size.slice(0, cut).map(() => 0);
  let from = begin.reduce((place, start, axis) => place + start * strides[axis]!, 0);
  for (let to = 0; to < target.length; to += run) {
    target.set(source.subarray(from, from + run), to);
    for (let axis = cut - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      position[axis]!++;
      if (position[axis]! < size[axis]!) break;
      from -= size[axis]! * strides[axis]!;
      position[axis] = 0;
    }
  }
  return output;
}

const slicing: Replaced = {
  kernelName: 'Slice',
  kernelFunc: ({ inputs, attrs, backend }) => {
    const x = inputs['x'] as TensorInfo;
    const [begin, size] = tf.slice_util.parseSliceParams(x as never, attrs!['begin'] as number[], attrs!['size'] as number[]);
    return slice(backend as WasmBackend, x, begin, size);
  },
};

const splitting: Replaced = {
  kernelName: 'SplitV',
  kernelFunc: ({ inputs, attrs, backend }) => {
    const x = inputs['x'] as TensorInfo;
    const axis = tf.util.parseAxisParam(attrs!['axis'] as number, x.shape)[0]!;
    const begin = x.shape.map(() => 0);
    return tf.backend_util.prepareSplitSize(x as never, attrs!['numOrSizeSplits'] as number[], axis).map((extent) => {
      const part = slice(backend as WasmBackend, x, begin, x.shape.map((whole, i) => (i === axis ? extent : whole)));
      begin[axis]! += extent;
      return part;
    });
  },
};

/** tfjs' own two read a copy of the whole input for every slice of it, so a step of a stream costs as much as the sequence. Strings stay with it. */
export function sliceInPlace(): void {
  for (const { kernelName, kernelFunc } of [slicing, splitting]) {
    const original = tf.getKernel(kernelName, 'wasm');
    tf.unregisterKernel(kernelName, 'wasm');
    tf.registerKernel({ ...original, kernelFunc: (call) => ((call.inputs['x'] as TensorInfo).dtype === 'string' ? original.kernelFunc(call) : kernelFunc(call)) });
  }
}
