import { tf } from '@mamba360/ssm/backend';
import { assignParameters, S4nd } from '@mamba360/ssm/layers';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import type { Family } from './family.ts';
import { plain } from './tensors.ts';

/** u and y are B H height width; C is the plain output vector, complex parameters gain their axis of re, im. */
function run(golden: GoldenCase): CaseOutputs {
  const { params } = golden.description, size = params['size'] as [number, number];
  const layer = S4nd.create({
    dModel: params['H'] as number, dState: params['N'] as number, kernel: params['kernel'] as 'diag' | 'dplr', init: params['init'] as string, lMax: size,
    bidirectional: params['bidirectional'] === true, activation: 'none', finalAct: 'none',
  });
  try {
    const weights = Object.fromEntries(Object.keys(golden.description.inputs).filter((name) => name !== 'u').map((name) => {
      const { shape, values, complex } = golden.value(name);
      return [name, { shape: [...shape, ...(complex ? [2] : [])], values: Float32Array.from(values) }];
    }));
    assignParameters(layer.parameters, weights, { what: 'kernel_s4nd' });
    layer.correctOutput();
    const y = layer.apply(tf.transpose(plain(golden, 'u'), [0, 2, 3, 1]));
    return { y: tf.transpose(y, [0, 3, 1, 2]).dataSync(), K0: layer.kernel(0, size[0]).dataSync(), K1: layer.kernel(1, size[1]).dataSync() };
  } finally {
    layer.dispose();
  }
}

/** Two-dimensional S4ND: kernels of the axes and the convolution of the plane. */
export const kernelS4ndFamily: Family = { name: 'kernel_s4nd', unsupported: () => null, run };
