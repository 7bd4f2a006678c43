import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import type { GoldenCase } from '@mamba360/testing';
import { lengthSecond } from '../layout.ts';

/** The tensor as stored. */
export function plain(golden: GoldenCase, name: string): Tensor {
  const { values, shape } = golden.value(name);
  return tf.tensor(Float32Array.from(values), [...shape], 'float32');
}

/** A tensor stored with its length last, [B, ..., L], as [B, L, ...]. */
export function sequence(golden: GoldenCase, name: string): Tensor {
  const { values, shape } = golden.value(name);
  const laid = lengthSecond(values, shape);
  return tf.tensor(laid.values, laid.shape, 'float32');
}

export const optional = <T>(golden: GoldenCase, name: string, read: (golden: GoldenCase, name: string) => T): T | undefined =>
  (name in golden.description.inputs ? read(golden, name) : undefined);

/** Whether the case stores any gradient. */
export const wantsGradients = (golden: GoldenCase): boolean => Object.keys(golden.description.outputs).some((name) => name.startsWith('grad_'));

/** Gradients of a scalar loss in every given tensor, by name. */
export function gradientsOf(inputs: Readonly<Record<string, Tensor | undefined>>, loss: (inputs: Record<string, Tensor>) => Tensor): Record<string, Tensor> {
  const names = Object.keys(inputs).filter((name) => inputs[name]);
  const gradients = tf.grads((...tensors: Tensor[]) => loss(Object.fromEntries(names.map((name, i) => [name, tensors[i]!]))))(names.map((name) => inputs[name]!));
  return Object.fromEntries(names.map((name, i) => [name, gradients[i]!]));
}
