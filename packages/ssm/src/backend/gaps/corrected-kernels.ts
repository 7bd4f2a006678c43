import type { KernelConfig, NamedAttrMap, NamedTensorInfoMap, NamedTensorMap, Tensor } from '@tensorflow/tfjs';
import { tf } from '../tensorflow.ts';

/** Puts `wrapper` round a kernel that tfjs registered; it gets the inputs as tensors and the original. */
function wrapKernel(
  kernelName: string, backendName: string,
  wrapper: (call: (inputs: NamedTensorInfoMap, attrs: NamedAttrMap) => Tensor, inputs: NamedTensorMap, attrs: NamedAttrMap) => Tensor,
): void {
  const original = tf.getKernel(kernelName, backendName);
  if (!original || corrected.has(original)) return;
  const replacement: KernelConfig = {
    ...original,
    kernelFunc: ({ inputs, attrs, backend }) => wrapper(
      (given, attributes) => original.kernelFunc({ inputs: given, attrs: attributes, backend }) as Tensor,
      inputs as NamedTensorMap, attrs as NamedAttrMap,
    ),
  };
  corrected.add(replacement);
  tf.unregisterKernel(kernelName, backendName);
  tf.registerKernel(replacement);
}

const corrected = new WeakSet<object>();

/** The kernels take a negative axis as it is and permute by it. */
function countAxisFromFront(backend: string): void {
  for (const name of ['Cumsum', 'Cumprod']) {
    wrapKernel(name, backend, (call, inputs, attrs) => {
      const axis = attrs['axis'] as number;
      return call(inputs, axis < 0 ? { ...attrs, axis: axis + inputs['x']!.shape.length } : attrs);
    });
  }
}

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
        return 'rank' in result ? result : tf.engine().makeTensorFromTensorInfo(result);
      });
    });
  }
}

/** Kernels that tfjs 4.22 has and that are wrong for some of what its types allow. */
export function correctKernels(backend: string): void {
  if (backend !== 'cpu' && backend !== 'wasm') return;
  countAxisFromFront(backend);
  broadcastBatches(backend);
}
