import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { Lru } from '@mamba360/ssm/layers';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import { interleave } from '../layout.ts';
import type { Family } from './family.ts';
import { layerGradients, valuesOf, weightsOf } from './layer-gradients.ts';
import { plain } from './tensors.ts';

const WEIGHTS = ['theta_log', 'nu_log', 'gamma_log', 'B_re', 'B_im', 'C_re', 'C_im', 'D'];

function run(golden: GoldenCase): CaseOutputs {
  const [dState] = golden.value('nu_log').shape, [, dModel] = golden.value('u').shape;
  const layer = Lru.fromOfficial(weightsOf(golden, WEIGHTS), { dModel: dModel!, dState: dState! });
  try {
    const u = tf.expandDims(plain(golden, 'u'), 0);
    const dy = plain(golden, 'dy');
    const { re, im } = layer.eigenvalues();
    const gradients = layerGradients(layer.parameters, { u }, () => tf.sum(tf.mul(tf.squeeze(layer.apply(u).output as Tensor, [0]), dy)));
    return { y: layer.apply(u).output.dataSync(), Lambda: interleave(re.dataSync(), im.dataSync()), ...valuesOf(gradients) };
  } finally {
    layer.dispose();
  }
}

/** LRU: whole layer with gradients, no batch axis. */
export const kernelLruFamily: Family = { name: 'kernel_lru', unsupported: () => null, run };
