import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { Dss } from '@mamba360/ssm/layers';
import { dssEigenvalues, dssKernel } from '@mamba360/ssm/ops';
import type { DssParameters, DssVersion } from '@mamba360/ssm/ops';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import { interleave } from '../layout.ts';
import type { Family } from './family.ts';
import { gradientsOf, plain, wantsGradients } from './tensors.ts';
import { weightsOf } from './weights.ts';

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

/** The layer: u and y are B H L, the kernel is that of the sequence's length. */
function layer(golden: GoldenCase): CaseOutputs {
  const length = golden.description.params['length'] as number;
  const { u: _u, ...weights } = weightsOf(golden);
  const dss = Dss.fromOfficial(weights, { d_model: golden.description.params['H'], d_state: golden.description.params['N'], l_max: length, sep_dt_re_im: golden.value('kernel.log_dt').shape.length === 2 });
  try {
    const { output } = dss.apply(tf.transpose(plain(golden, 'u'), [0, 2, 1]));
    return { y: tf.transpose(output, [0, 2, 1]).dataSync(), kernel: dss.kernel(length).dataSync() };
  } finally {
    dss.dispose();
  }
}

/** DSS kernels of every version, with gradients, and the layer. */
export const kernelDssFamily: Family = {
  name: 'kernel_dss',
  unsupported: ({ params }) => (params['bidirectional'] === true ? 'the bidirectional DSS layer is not built yet' : null),
  run: (golden) => (golden.has('output_linear.weight') ? layer(golden) : kernels(golden)),
};
