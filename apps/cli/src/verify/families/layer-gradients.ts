import type { Tensor, Variable } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { namedParameters } from '@mamba360/ssm/layers';
import type { ParameterTree, WeightArray } from '@mamba360/ssm/layers';
import type { GoldenCase } from '@mamba360/testing';

/** Weights of a case by name, as stored. */
export function weightsOf(golden: GoldenCase, names: readonly string[]): Record<string, WeightArray> {
  return Object.fromEntries(names.map((name) => {
    const { shape, values, complex } = golden.value(name);
    return [name, { shape: complex ? [...shape, 2] : [...shape], values: Float32Array.from(values) }];
  }));
}

/** Gradients of a scalar loss in an input and in every parameter of a layer: `grad_<name>`. */
export function layerGradients(parameters: ParameterTree, inputs: Readonly<Record<string, Tensor>>, loss: () => Tensor): Record<string, Tensor> {
  const variables: [string, Variable][] = namedParameters(parameters);
  const names = [...Object.keys(inputs), ...variables.map(([name]) => name)];
  const targets: Tensor[] = [...Object.values(inputs), ...variables.map(([, variable]) => variable)];
  const { grads } = tf.engine().gradients(loss, targets, undefined, true);
  return Object.fromEntries(names.map((name, i) => [`grad_${name}`, grads[i] ?? tf.zerosLike(targets[i]!)]));
}

/** Values of every tensor. */
export const valuesOf = (tensors: Readonly<Record<string, Tensor>>): Record<string, Float32Array> =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, tensor.dataSync() as Float32Array]));
