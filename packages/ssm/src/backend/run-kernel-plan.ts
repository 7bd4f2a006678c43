import type { KernelBackend, TensorInfo } from '@tensorflow/tfjs';
import { SIGNATURES } from '../kernels/signatures.ts';
import type { KernelName } from '../kernels/signatures.ts';
import type { KernelBuffer } from '../kernels/target.ts';
import { requireKernelTarget } from './kernel-registry.ts';
import { tensorAccess } from './tensor-access.ts';
import type { OutputTensor } from './tensor-access.ts';

/** One kernel call in terms of tensors: what an op describes, and all it describes. */
export interface KernelPlan {
  readonly kernel: KernelName;
  /** By the order of `SIGNATURES`; control bytes are plain buffers. */
  readonly inputs: readonly (TensorInfo | KernelBuffer | null)[];
  /** Shapes; null where an optional output is not wanted. */
  readonly outputs: readonly (number[] | null)[];
  readonly integers: readonly number[];
  readonly scalars?: readonly number[];
}

const isBuffer = (value: TensorInfo | KernelBuffer): value is KernelBuffer => ArrayBuffer.isView(value);

/**
 * Runs a plan on a tfjs backend and returns the wanted outputs in order, ready to become tensors.
 *
 * All outputs exist before any view is taken. An empty first input (a batch of 0) has nothing to run: every output is 0 there.
 */
export function runKernelPlan(backendName: string, backend: KernelBackend, plan: KernelPlan): TensorInfo[] {
  const target = requireKernelTarget(backendName);
  const access = tensorAccess(backendName, backend);
  const outputs: (OutputTensor | null)[] = [];
  try {
    for (const shape of plan.outputs) outputs.push(shape === null ? null : access.allocate(shape));
    const first = plan.inputs[0];
    if (first && !isBuffer(first) && first.shape.includes(0)) {
      for (const output of outputs) output?.values().fill(0);
    } else {
      target.run({
        kernel: plan.kernel,
        inputs: plan.inputs.map((input) => (input === null || isBuffer(input) ? input : access.read(input))),
        outputs: outputs.map((output) => output?.values() ?? null),
        integers: plan.integers,
        ...(plan.scalars ? { scalars: plan.scalars } : {}),
      });
    }
  } catch (error) {
    for (const output of outputs) output?.discard();
    throw error;
  }
  return outputs.flatMap((output) => (output ? [output.finish()] : []));
}

/** Length of the buffer lists of a kernel; a plan that differs is a mistake of this package, found by its tests. */
export function planMatchesSignature(plan: KernelPlan): boolean {
  const signature = SIGNATURES[plan.kernel];
  return plan.inputs.length === signature.inputs.length && plan.outputs.length === signature.outputs.length
    && plan.integers.length === signature.integers.length;
}
