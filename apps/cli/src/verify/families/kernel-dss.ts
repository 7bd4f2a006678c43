import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { dssEigenvalues, dssKernel } from '@mamba360/ssm/ops';
import type { DssParameters, DssVersion } from '@mamba360/ssm/ops';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import { interleave } from '../layout.ts';
import type { Family } from './family.ts';
import { gradientsOf, plain, wantsGradients } from './tensors.ts';

const OFFICIAL: Readonly<Record<string, string>> = { logDt: 'log_dt', Lambda: 'Lambda', logNegRe: 'Lambda_log_neg_re', lambdaIm: 'Lambda_im', W: 'W' };

function kernels(golden: GoldenCase): CaseOutputs {
  const { params } = golden.description, length = params['length'] as number, version = params['version'] as DssVersion;
  const options = { version, epsilon: params['epsilon'] as number, maxRealLambda: params['max_real_Lambda'] as number };
  const tensors = Object.fromEntries(Object.entries(OFFICIAL).filter(([, official]) => golden.has(official)).map(([own, official]) => [own, plain(golden, official)]));
  const kernel = (given: Record<string, Tensor>, epsilon = options.epsilon): Tensor => dssKernel(given as unknown as DssParameters, length, { ...options, epsilon });
  const raw = Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, Float64Array.from(tensor.dataSync())]));
  const [channels, heads, modes] = golden.value('W').shape as [number, number, number];
  const lambda = dssEigenvalues(raw, { ...options, channels, heads, modes, steps: 1 });
  const outputs: Record<string, ArrayLike<number>> = { K: kernel(tensors).dataSync(), Lambda_value: interleave(lambda.re, lambda.im) };
  if (golden.has('K_exact_softmax')) outputs['K_exact_softmax'] = kernel(tensors, 0).dataSync();
  if (!wantsGradients(golden)) return outputs;
  const dK = plain(golden, 'dK');
  const gradients = gradientsOf(tensors, (given) => tf.sum(tf.mul(kernel(given), dK)));
  for (const [name, gradient] of Object.entries(gradients)) outputs[`grad_${OFFICIAL[name]}`] = gradient.dataSync();
  return outputs;
}

/** DSS kernels of every version, with gradients. */
export const kernelDssFamily: Family = {
  name: 'kernel_dss',
  unsupported: ({ case: name }) => (name.includes('layer') ? 'the DSS layer is not built yet' : null),
  run: kernels,
};
