import type { Tensor, Variable } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { namedParameters } from '@mamba360/ssm/layers';
import type { ParameterTree, WeightArray } from '@mamba360/ssm/layers';
import type { GoldenCase } from '@mamba360/testing';

/** A case's inputs as weights: those that `name` maps to a parameter's name. */
export function caseWeights(golden: GoldenCase, name: (input: string) => string | null): Record<string, WeightArray> {
  return Object.fromEntries(Object.keys(golden.description.inputs).flatMap((input): [string, WeightArray][] => {
    const target = name(input);
    if (target === null) return [];
    const { shape, values } = golden.value(input);
    return [[target, { shape: [...shape], values: Float32Array.from(values) }]];
  }));
}

/** Gradients of a scalar in given tensors and in all parameters of a layer, as `grad_<name>`. */
export function parameterGradients(parameters: ParameterTree, inputs: Readonly<Record<string, Tensor>>, loss: () => Tensor): Record<string, ArrayLike<number>> {
  const variables: [string, Variable][] = namedParameters(parameters);
  const targets: [string, Tensor][] = [...Object.entries(inputs), ...variables];
  const { grads } = tf.engine().gradients(loss, targets.map(([, tensor]) => tensor), undefined, true) as { grads: (Tensor | undefined)[] };
  return Object.fromEntries(targets.flatMap(([name], i): [string, ArrayLike<number>][] => (grads[i] ? [[`grad_${name}`, grads[i].dataSync()]] : [])));
}
