import type { GradConfig, KernelBackend, NamedTensorMap, Tensor } from '@tensorflow/tfjs';
import { GradientError } from '../../errors/index.ts';
import { KERNEL_BACKENDS } from '../kernel-registry.ts';
import { tensorAccess } from '../tensor-access.ts';
import { tf } from '../tensorflow.ts';
import { parseEquation } from './contract.ts';

/** Sums the axes over which `shape` was broadcast to the shape of `tensor`. */
function sumTo(tensor: Tensor, shape: readonly number[]): Tensor {
  const axes = tf.broadcast_util.getReductionAxes([...shape], tensor.shape);
  return tf.reshape(axes.length > 0 ? tf.sum(tensor, axes) : tensor, [...shape]);
}

/** tfjs leaves the axes of a broadcast batch in the gradient, which then has another shape than its input (tfjs issue 8721). */
const batchMatMul: GradConfig = {
  kernelName: 'BatchMatMul',
  inputsToSave: ['a', 'b'],
  gradFunc: (slope, saved, attrs) => {
    const dy = slope as Tensor;
    const [a, b] = saved as [Tensor, Tensor];
    const { transposeA, transposeB } = attrs as unknown as { transposeA: boolean; transposeB: boolean };
    const da = (): Tensor => (transposeA ? tf.matMul(b, dy, transposeB, true) : tf.matMul(dy, b, false, !transposeB));
    const db = (): Tensor => (transposeB ? tf.matMul(dy, a, true, transposeA) : tf.matMul(a, dy, !transposeA, false));
    return { a: () => sumTo(da(), a.shape), b: () => sumTo(db(), b.shape) };
  },
};

/** tfjs permutes its result a second time, so that any axis but the last throws or is wrong. */
const cumsum: GradConfig = {
  kernelName: 'Cumsum',
  gradFunc: (slope, _saved, attrs) => {
    const { axis, exclusive, reverse } = attrs as unknown as { axis: number; exclusive: boolean; reverse: boolean };
    return { x: () => tf.cumsum(slope as Tensor, axis, exclusive, !reverse) };
  },
};

const CUMPROD_GRADIENT = 'Mamba360CumprodGradient';

interface CumprodAttributes { readonly axis: number; readonly exclusive: boolean; readonly reverse: boolean }

/**
 * dx[i] = (product of x before i) * s[i], where s[i] = dy[i] + x[i+1] s[i+1]. Dividing the product by x[i] would be shorter and gives NaN
 * at a zero. With `exclusive`, y[j] lacks x[j], so s[i] = dy[i+1] + x[i+1] s[i+1].
 */
export function cumprodGradient(x: ArrayLike<number>, dy: ArrayLike<number>, shape: readonly number[], attributes: CumprodAttributes): Float32Array {
  const axis = attributes.axis < 0 ? attributes.axis + shape.length : attributes.axis;
  const length = shape[axis]!;
  const stride = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  const dx = new Float32Array(x.length);
  for (let line = 0; line < x.length / Math.max(length, 1); line++) {
    const start = Math.floor(line / stride) * stride * length + (line % stride);
    const place = (i: number): number => start + (attributes.reverse ? length - 1 - i : i) * stride;
    let tail = 0;
    for (let i = length - 1; i >= 0; i--) {
      const carried = i + 1 < length ? x[place(i + 1)]! * tail : 0;
      tail = attributes.exclusive ? (i + 1 < length ? dy[place(i + 1)]! : 0) + carried : dy[place(i)]! + carried;
      dx[place(i)] = tail;
    }
    let before = 1;
    for (let i = 0; i < length; i++) {
      dx[place(i)]! *= before;
      before *= x[place(i)]!;
    }
  }
  return dx;
}

function registerCumprodKernels(): void {
  for (const backendName of KERNEL_BACKENDS) {
    if (tf.getKernel(CUMPROD_GRADIENT, backendName)) continue;
    tf.registerKernel({
      kernelName: CUMPROD_GRADIENT, backendName,
      kernelFunc: ({ inputs, attrs, backend }) => {
        const access = tensorAccess(backendName, backend as KernelBackend);
        const x = inputs['x']!;
        const output = access.allocate([...x.shape]);
        output.values().set(cumprodGradient(access.read(x), access.read(inputs['dy']!), x.shape, attrs as unknown as CumprodAttributes));
        return output.finish();
      },
    });
  }
  tf.registerGradient({
    kernelName: CUMPROD_GRADIENT,
    gradFunc: () => {
      throw new GradientError('cumprod: a gradient of its gradient was asked for, but only first-order gradients are defined. Write the product as tf.exp(tf.cumsum(tf.log(x))) for positive x.');
    },
  });
}

const cumprod: GradConfig = {
  kernelName: 'Cumprod',
  inputsToSave: ['x'],
  gradFunc: (slope, saved, attrs) => ({
    x: () => tf.engine().runKernel(CUMPROD_GRADIENT, { x: saved[0]!, dy: slope as Tensor } as NamedTensorMap, attrs) as Tensor,
  }),
};

/** Gradient in one operand: an einsum of the slope with the other operand; labels that only this operand had were summed, so they are repeated. */
function operandGradient(dy: Tensor, result: string, own: Tensor, labels: string, other: Tensor | undefined, otherLabels: string): Tensor {
  const reachable = [...labels].filter((label) => result.includes(label) || otherLabels.includes(label)).join('');
  const reduced = other
    ? tf.einsum(`${result},${otherLabels}->${reachable}`, dy, other)
    : tf.einsum(`${result}->${reachable}`, dy);
  if (reachable.length === labels.length) return reduced;
  const spread = tf.reshape(reduced, [...labels].map((label, axis) => (reachable.includes(label) ? own.shape[axis]! : 1)));
  return tf.tile(spread, [...labels].map((label, axis) => (reachable.includes(label) ? 1 : own.shape[axis]!)));
}

const einsum: GradConfig = {
  kernelName: 'Einsum',
  saveAllInputs: true,
  gradFunc: (slope, saved, attrs) => {
    const { operands, result } = parseEquation((attrs as unknown as { equation: string }).equation);
    return Object.fromEntries(saved.map((own, i) => [
      i, () => operandGradient(slope as Tensor, result, own, operands[i]!, saved[1 - i], operands[1 - i] ?? ''),
    ]));
  },
};

/** Gradients that tfjs 4.22 lacks or has wrong, on every backend. */
export const GRADIENTS: readonly GradConfig[] = [batchMatMul, cumsum, cumprod, einsum];

export function registerGradients(): void {
  registerCumprodKernels();
  for (const gradient of GRADIENTS) tf.registerGradient(gradient);
}
