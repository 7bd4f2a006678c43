import { tf } from '@mamba360/ssm/backend';
import { S5 } from '@mamba360/ssm/layers';
import type { S5Config, WeightArray } from '@mamba360/ssm/layers';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import { interleave } from '../layout.ts';
import type { Family } from './family.ts';
import { layerGradients, valuesOf, weightsOf } from './layer-gradients.ts';
import { plain } from './tensors.ts';

const BOOKKEEPING = ['u', 'dy', 'x'];
const text = (value: unknown): string => String(value);

/** The system alone; its parameters are ours under `seq.`. */
function runSystem(golden: GoldenCase): CaseOutputs {
  const { params, inputs } = golden.description;
  const names = Object.keys(inputs).filter((name) => !BOOKKEEPING.includes(name));
  const weights = Object.fromEntries(Object.entries(weightsOf(golden, names)).map(([name, value]): [string, WeightArray] => [`seq.${name}`, value]));
  const states = golden.value('Lambda_re').shape[0]!;
  const conjSym = params['conj_sym'] === true;
  const layer = S5.fromOfficial(weights, {
    dModel: golden.value('D').shape[0]!, ssmSize: conjSym ? 2 * states : states, conjSym, activation: 'none',
    discretization: text(params['discretization']) as S5Config['discretization'], clipEigs: params['clip_eigs'] === true,
    bidirectional: params['bidirectional'] === true, stepRescale: params['step_rescale'] as number,
  });
  try {
    const u = tf.expandDims(plain(golden, 'u'), 0);
    const dy = tf.expandDims(plain(golden, 'dy'), 0);
    const { decay, input } = layer.discretised();
    const system = layer.system(u);
    const gradients = layerGradients(layer.parameters, { u }, () => tf.sum(tf.mul(layer.system(u).output, dy)));
    return {
      y: system.output.dataSync(), states: interleave(system.states.re.dataSync(), system.states.im.dataSync()),
      Lambda_bar: interleave(decay.re.dataSync(), decay.im.dataSync()), B_bar: interleave(input.re.dataSync(), input.im.dataSync()),
      ...Object.fromEntries(Object.entries(valuesOf(gradients)).map(([name, values]) => [name.replace('grad_seq.', 'grad_'), values])),
    };
  } finally {
    layer.dispose();
  }
}

function runLayer(golden: GoldenCase): CaseOutputs {
  const { params, inputs } = golden.description;
  const names = Object.keys(inputs).filter((name) => !BOOKKEEPING.includes(name));
  const layer = S5.fromOfficial(weightsOf(golden, names), {
    dModel: params['H'] as number, ssmSize: 2 * golden.value('seq.Lambda_re').shape[0]!, activation: text(params['activation']) as S5Config['activation'],
    norm: text(params['norm']) as S5Config['norm'], prenorm: params['prenorm'] === true, residual: true,
  });
  try {
    const x = plain(golden, 'x');
    return { y: layer.apply(x.shape.length === 2 ? tf.expandDims(x, 0) : x).output.dataSync() };
  } finally {
    layer.dispose();
  }
}

/** S5's system: discretisation, states, output, gradients. */
export const kernelS5Family: Family = { name: 'kernel_s5', unsupported: () => null, run: runSystem };
/** S5's sequence layer: norm, system, gate, skip. */
export const blockS5Family: Family = { name: 'block_s5', unsupported: () => null, run: runLayer };
