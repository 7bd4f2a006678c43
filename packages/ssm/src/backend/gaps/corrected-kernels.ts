import type { KernelConfig, NamedAttrMap, NamedTensorInfoMap, NamedTensorMap, Tensor, TensorInfo } from '@tensorflow/tfjs';
import { tf } from '../tensorflow.ts';
import { sliceInPlace } from './wasm-slice.ts';

/** Puts `wrapper` round a kernel that tfjs registered; it gets the inputs as tensors and the original. */
function wrapKernel(
  kernelName: string, backendName: string,
  wrapper: (call: (inputs: NamedTensorInfoMap, attrs: NamedAttrMap) => Tensor, inputs: NamedTensorMap, attrs: NamedAttrMap) => Tensor,
): void {
  const original = tf.getKernel(kernelName, backendName);
  if (!original) return;
  const replacement: KernelConfig = {
    ...original,
    kernelFunc: ({ inputs, attrs, backend }) => wrapper(
      (given, attributes) => original.kernelFunc({ inputs: given, attrs: attributes, backend }) as Tensor,
      inputs as NamedTensorMap, attrs as NamedAttrMap,
    ),
  };
  tf.unregisterKernel(kernelName, backendName);
  tf.registerKernel(replacement);
}

/** The kernels take a negative axis as it is and permute by it. */
function countAxisFromFront(backend: string): void {
  for (const name of ['Cumsum', 'Cumprod']) {
    wrapKernel(name, backend, (call, inputs, attrs) => {
      const axis = attrs['axis'] as number;
      return call(inputs, axis < 0 ? { ...attrs, axis: axis + inputs['x']!.shape.length } : attrs);
    });
  }
}

const asTensor = (result: Tensor | TensorInfo): Tensor => ('rank' in result ? result : tf.engine().makeTensorFromTensorInfo(result));

/** Whether reading the batches of the smaller side round and round, as the kernels do, is what broadcasting means. */
function kernelsGetRight(a: readonly number[], b: readonly number[]): boolean {
  const [short, long] = a.reduce((x, y) => x * y, 1) <= b.reduce((x, y) => x * y, 1) ? [a, b] : [b, a];
  const trimmed = short.slice(short.findIndex((size) => size !== 1) === -1 ? short.length : short.findIndex((size) => size !== 1));
  const tail = trimmed.length === 0 ? [] : long.slice(-trimmed.length);
  return trimmed.length <= long.length && trimmed.every((size, i) => size === tail[i]);
}

/** Repeats a side over the batch where the kernels would pair the wrong matrices. */
function broadcastBatches(backend: string): void {
  for (const name of ['BatchMatMul', '_FusedMatMul']) {
    wrapKernel(name, backend, (call, inputs, attrs) => {
      const a = inputs['a']!;
      const b = inputs['b']!;
      const batchA = a.shape.slice(0, -2);
      const batchB = b.shape.slice(0, -2);
      if (kernelsGetRight(batchA, batchB)) return call(inputs, attrs);
      const batch = tf.broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
      return tf.tidy(() => {
        const result = call({
          ...inputs, a: tf.broadcastTo(a, [...batch, ...a.shape.slice(-2)]), b: tf.broadcastTo(b, [...batch, ...b.shape.slice(-2)]),
        }, attrs);
        return asTensor(result);
      });
    });
  }
}

/** From this many products on, and rows of the other side, a transposition costs less than the slow path of the wasm kernel (measured: 10 to 60 times). */
const WORTH_TRANSPOSING = { products: 65536, otherSide: 16 };

const swapLast = (x: Tensor): Tensor => tf.transpose(x, [...x.shape.keys()].slice(0, -2).concat(x.rank - 1, x.rank - 2));

/**
 * The wasm kernels have a fast path for plain operands only: a transposed one goes through scalar loops, which every gradient of a matMul
 * needs, and with a bias through loops that add the wrong bias. Large transposed operands are laid out plainly first.
 */
function transposeFirst(): void {
  for (const name of ['BatchMatMul', '_FusedMatMul']) {
    wrapKernel(name, 'wasm', (call, inputs, attrs) => {
      const a = inputs['a']!;
      const b = inputs['b']!;
      const { transposeA, transposeB } = attrs as unknown as { transposeA: boolean; transposeB: boolean };
      if (!transposeA && !transposeB) return call(inputs, attrs);
      const [rows, inner] = transposeA ? [a.shape.at(-1)!, a.shape.at(-2)!] : [a.shape.at(-2)!, a.shape.at(-1)!];
      const columns = transposeB ? b.shape.at(-2)! : b.shape.at(-1)!;
      const large = rows * inner * columns >= WORTH_TRANSPOSING.products;
      const bias = inputs['bias'];
      const wrongBias = bias !== undefined && attrs['activation'] !== 'linear';
      const plainA = transposeA && (wrongBias || (large && columns >= WORTH_TRANSPOSING.otherSide));
      const plainB = transposeB && (wrongBias || (large && rows >= WORTH_TRANSPOSING.otherSide));
      return tf.tidy(() => {
        const left = { transposeA: transposeA && !plainA, transposeB: transposeB && !plainB };
        const apart = bias !== undefined && (left.transposeA || left.transposeB);
        const operands: NamedTensorMap = { ...inputs, a: plainA ? swapLast(a) : a, b: plainB ? swapLast(b) : b };
        if (apart) delete operands['bias'];
        const result = asTensor(call(operands, { ...attrs, ...left }));
        return apart ? tf.add(result, bias) : result;
      });
    });
  }
}

const corrected = new Set<string>();

/** Kernels that tfjs 4.22 has and that are wrong for some of what its types allow, or many times slower than they need be. */
export function correctKernels(backend: string): void {
  if ((backend !== 'cpu' && backend !== 'wasm') || corrected.has(backend)) return;
  corrected.add(backend);
  countAxisFromFront(backend);
  if (backend === 'wasm') {
    transposeFirst();
    sliceInPlace();
  }
  broadcastBatches(backend);
}
