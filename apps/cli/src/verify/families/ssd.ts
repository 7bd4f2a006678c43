import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { rmsNorm } from '@mamba360/ssm/ops';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import type { Family } from './family.ts';
import { gradientsOf, optional, plain, wantsGradients } from './tensors.ts';

function run(golden: GoldenCase): CaseOutputs {
  const { params } = golden.description;
  const inputs = { x: plain(golden, 'x'), weight: plain(golden, 'weight'), z: optional(golden, 'z', plain), bias: optional(golden, 'bias', plain) };
  const width = inputs.x.shape.at(-1)!;
  const groupSize = typeof params['group_size'] === 'number' && params['group_size'] > 0 ? params['group_size'] : width;
  const options = { epsilon: params['eps'] as number, groups: width / groupSize, normBeforeGate: params['norm_before_gate'] === true };
  const normalise = (given: Record<string, Tensor | undefined>): Tensor => rmsNorm(given['x']!, given['weight']!, { ...options, z: given['z'], bias: given['bias'] });
  const outputs: Record<string, ArrayLike<number>> = { out: normalise(inputs).dataSync() };
  if (!wantsGradients(golden)) return outputs;
  const dout = plain(golden, 'dout');
  const gradients = gradientsOf(inputs, (tensors) => tf.sum(tf.mul(normalise(tensors), dout)));
  for (const [name, gradient] of Object.entries(gradients)) outputs[`grad_${name}`] = gradient.dataSync();
  return outputs;
}

/** Mamba-2; of it the gated norm exists so far. */
export const ssdFamily: Family = {
  name: 'ssd',
  unsupported: ({ case: name, params, inputs }) => (name.startsWith('gated_rmsnorm') || 'norm_before_gate' in params || 'weight' in inputs ? null : 'ssdScan is not built yet'),
  run,
};
