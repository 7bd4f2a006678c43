import type { TensorInfo } from '@tensorflow/tfjs';
import { requireKernelTarget } from '../../backend/kernel-registry.ts';
import { tensorAccess } from '../../backend/tensor-access.ts';
import type { OutputTensor } from '../../backend/tensor-access.ts';
import type { KernelName } from '../../kernels/signatures.ts';
import type { KernelBuffer } from '../../kernels/target.ts';
import type { Where } from './define-operation.ts';

/** One kernel call that mixes tensors with float64 buffers of the caller. */
export interface Float64Call {
  readonly kernel: KernelName;
  readonly inputs: readonly (TensorInfo | KernelBuffer | null)[];
  /** A shape becomes a float32 tensor; a Float64Array is written in place. */
  readonly outputs: readonly (readonly number[] | Float64Array | null)[];
  readonly integers: readonly number[];
}

const isBuffer = (value: TensorInfo | KernelBuffer): value is KernelBuffer => ArrayBuffer.isView(value);

/** The numbers of a small tensor in float64, a copy. */
export function readFloat64({ backendName, backend }: Where, tensor: TensorInfo): Float64Array {
  return tensor.shape.includes(0) ? new Float64Array(0) : Float64Array.from(tensorAccess(backendName, backend).read(tensor));
}

/** A float32 tensor of these numbers. */
export function writeTensor({ backendName, backend }: Where, values: ArrayLike<number>, shape: readonly number[]): TensorInfo {
  const output = tensorAccess(backendName, backend).allocate([...shape]);
  output.values().set(values);
  return output.finish();
}

/** Runs a kernel; returns the outputs that were asked for by shape, in order. All outputs exist before any view is taken. */
export function runFloat64({ backendName, backend }: Where, call: Float64Call): TensorInfo[] {
  const target = requireKernelTarget(backendName), access = tensorAccess(backendName, backend);
  const outputs: (OutputTensor | Float64Array | null)[] = [];
  try {
    for (const output of call.outputs) outputs.push(output === null || output instanceof Float64Array ? output : access.allocate([...output]));
    const values = (): (KernelBuffer | null)[] => outputs.map((output) => (output === null || output instanceof Float64Array ? output : output.values()));
    const empty = call.inputs.some((input) => input !== null && !isBuffer(input) && input.shape.includes(0));
    if (empty) for (const buffer of values()) buffer?.fill(0);
    else {
      target.run({
        kernel: call.kernel, integers: call.integers, outputs: values(),
        inputs: call.inputs.map((input) => (input === null || isBuffer(input) ? input : access.read(input))),
      });
    }
  } catch (error) {
    for (const output of outputs) if (output !== null && !(output instanceof Float64Array)) output.discard();
    throw error;
  }
  return outputs.flatMap((output) => (output === null || output instanceof Float64Array ? [] : [output.finish()]));
}
