import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { linearScan } from '@mamba360/ssm/ops';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import { gradientsOf, optional, plain } from './tensors.ts';

/** HGRN's recurrence, h = exp(g) h + x: the `hgrn` cases of the family linear_recurrence. */
export function runHgrn(golden: GoldenCase): CaseOutputs {
  const inputs = { x: plain(golden, 'x'), g: plain(golden, 'g'), h0: optional(golden, 'h0', plain) };
  const scan = (given: Partial<Record<string, Tensor>>) => linearScan(tf.exp(given['g']!), given['x']!, { state: given['h0'] });
  const { output, state } = scan(inputs);
  const gradients = gradientsOf(inputs, (tensors) => {
    const result = scan(tensors);
    return tf.add(tf.sum(tf.mul(result.output, plain(golden, 'do'))), tf.sum(tf.mul(result.state, plain(golden, 'dstate'))));
  });
  return { o: output.dataSync(), final_state: state.dataSync(), ...Object.fromEntries(Object.entries(gradients).map(([name, gradient]) => [`grad_${name}`, gradient.dataSync()])) };
}
