import type { Tensor } from '@tensorflow/tfjs';
import { ConfigError } from '../../errors/index.ts';
import { tf } from '../tensorflow.ts';

/** Labels of each operand and of the result of 'ij,jk->ik'. tfjs has checked that it is well formed before a kernel sees it. */
export function parseEquation(equation: string): { operands: string[]; result: string } {
  const [left, result] = equation.replaceAll(/\s/g, '').split('->') as [string, string];
  return { operands: left.split(','), result };
}

const isIn = (labels: string) => (label: string): boolean => labels.includes(label);

/** Sums an operand over the labels that neither the result nor the other operand has. */
function sumAlone(tensor: Tensor, labels: string, needed: string): { tensor: Tensor; labels: string } {
  const axes = [...labels].flatMap((label, axis) => (needed.includes(label) ? [] : [axis]));
  return axes.length === 0 ? { tensor, labels } : { tensor: tf.sum(tensor, axes), labels: [...labels].filter(isIn(needed)).join('') };
}

/** Axes of `tensor` in the order of `wanted`. */
const arrange = (tensor: Tensor, labels: string, wanted: string): Tensor =>
  (labels === wanted ? tensor : tf.transpose(tensor, [...wanted].map((label) => labels.indexOf(label))));

const sizeOf = (tensor: Tensor, labels: string, of: string): number[] => [...of].map((label) => tensor.shape[labels.indexOf(label)]!);
const product = (sizes: readonly number[]): number => sizes.reduce((all, size) => all * size, 1);

/** Einsum of one or two tensors as transpositions and one batched matrix product. */
export function contract(equation: string, tensors: readonly Tensor[]): Tensor {
  const { operands, result } = parseEquation(equation);
  if (tensors.length > 2 || tensors.length !== operands.length) {
    throw new ConfigError(`einsum: '${equation}' has ${operands.length} operands, expected one or two. Contract in several steps.`);
  }
  return tf.tidy(() => {
    if (tensors.length === 1) {
      const alone = sumAlone(tensors[0]!, operands[0]!, result);
      return tf.clone(arrange(alone.tensor, alone.labels, result));
    }
    const a = sumAlone(tensors[0]!, operands[0]!, result + operands[1]!);
    const b = sumAlone(tensors[1]!, operands[1]!, result + operands[0]!);
    const batch = [...a.labels].filter((label) => b.labels.includes(label) && result.includes(label)).join('');
    const inner = [...a.labels].filter((label) => b.labels.includes(label) && !result.includes(label)).join('');
    const rows = [...a.labels].filter((label) => !b.labels.includes(label)).join('');
    const columns = [...b.labels].filter((label) => !a.labels.includes(label)).join('');
    const count = (tensor: Tensor, labels: string, of: string): number => product(sizeOf(tensor, labels, of));
    const left = tf.reshape(arrange(a.tensor, a.labels, batch + rows + inner), [count(a.tensor, a.labels, batch), count(a.tensor, a.labels, rows), count(a.tensor, a.labels, inner)]);
    const right = tf.reshape(arrange(b.tensor, b.labels, batch + inner + columns), [count(b.tensor, b.labels, batch), count(b.tensor, b.labels, inner), count(b.tensor, b.labels, columns)]);
    const shape = [...sizeOf(a.tensor, a.labels, batch + rows), ...sizeOf(b.tensor, b.labels, columns)];
    return arrange(tf.reshape(tf.matMul(left, right), shape), batch + rows + columns, result);
  });
}
