import type { Tensor, Variable } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { Mega, megaAverage, MegaEma, megaKernel } from '@mamba360/ssm/layers';
import type { MegaConfig } from '@mamba360/ssm/layers';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import type { Family } from './family.ts';
import { layerGradients, valuesOf, weightsOf } from './layer-gradients.ts';
import { gradientsOf, plain } from './tensors.ts';

/** [L, B, D] <-> [B, L, D]. */
const turn = (tensor: Tensor): Tensor => tf.transpose(tensor, [1, 0, 2]);

/** K [channels, H, L] of the rows [channels * H]. */
function runKernel(golden: GoldenCase): CaseOutputs {
  const inputs = Object.fromEntries(['delta', 'alpha', 'beta', 'gamma'].map((name) => [name, plain(golden, name)]));
  const shape = golden.description.outputs['K'] as number[];
  const rows = inputs['delta']!.shape[0]!, length = shape.at(-1)!;
  const kernel = (given: Record<string, Tensor>): Tensor => tf.reshape(megaKernel(given as Record<string, Variable>, 0, rows, length), shape);
  const gradients = gradientsOf(inputs, (tensors) => tf.sum(tf.mul(kernel(tensors), plain(golden, 'dK'))));
  return { K: kernel(inputs).dataSync(), ...Object.fromEntries(Object.entries(valuesOf(gradients)).map(([name, values]) => [`grad_${name}`, values])) };
}

const AVERAGE = ['delta', 'alpha', 'beta', 'gamma', 'omega'];

function runAverage(golden: GoldenCase): CaseOutputs {
  const { params, outputs: wanted } = golden.description;
  const truncation = params['truncation'] as number | null;
  const config = { dModel: params['D'] as number, ndim: params['N'] as number, bidirectional: params['bidirectional'] === true, truncation };
  const layer = MegaEma.fromOfficial(weightsOf(golden, AVERAGE), config);
  try {
    const x = turn(plain(golden, 'x')), dy = turn(plain(golden, 'dy'));
    const { output, state } = layer.apply(x);
    const rows = (config.bidirectional ? 2 : 1) * config.dModel;
    const { grad_x: slope, ...gradients } = layerGradients(layer.parameters, { x }, () => tf.sum(tf.mul(layer.apply(x).output, dy)));
    const outputs: Record<string, ArrayLike<number>> = {
      y: turn(output).dataSync(), kernel: megaKernel(layer.parameters, 0, rows, truncation ?? x.shape[1]!).dataSync(), grad_x: turn(slope!).dataSync(), ...valuesOf(gradients),
    };
    if ('last_state' in wanted && 'average' in state) outputs['last_state'] = state.average.dataSync();
    if ('ema_from_h0' in wanted) {
      const from = megaAverage(x, layer.parameters, { ...config }, { average: plain(golden, 'h0') }, {});
      outputs['ema_from_h0'] = turn(from.output).dataSync();
      if ('average' in from.state) outputs['state_from_h0'] = from.state.average.dataSync();
    }
    return outputs;
  } finally {
    layer.dispose();
  }
}

function runBlock(golden: GoldenCase): CaseOutputs {
  const { params, inputs } = golden.description;
  const names = Object.keys(inputs).filter((name) => !['x', 'dy', 'rel_bias'].includes(name));
  const layer = Mega.fromOfficial(weightsOf(golden, names), {
    dModel: params['embed_dim'] as number, zdim: params['zdim'] as number, hdim: params['hdim'] as number, ndim: params['ndim'] as number,
    attentionActivation: params['attention_activation'] as MegaConfig['attentionActivation'], bidirectional: params['bidirectional'] === true,
    chunkSize: params['chunk_size'] as number, relPosBias: params['rel_pos_bias'] as MegaConfig['relPosBias'], maxPositions: params['max_positions'] as number,
    norm: params['prenorm'] === true ? 'before' : 'after',
  });
  try {
    const x = turn(plain(golden, 'x')), dy = turn(plain(golden, 'dy'));
    const { grad_x: slope, ...gradients } = layerGradients(layer.parameters, { x }, () => tf.sum(tf.mul(layer.apply(x).output, dy)));
    return { y: turn(layer.apply(x).output).dataSync(), grad_x: turn(slope!).dataSync(), ...valuesOf(gradients) };
  } finally {
    layer.dispose();
  }
}

/** Mega's average as a convolution kernel. */
export const kernelEmaFamily: Family = { name: 'kernel_ema', unsupported: () => null, run: runKernel };
/** Mega's damped average: output, kernel, states, gradients; L B D. */
export const megaEmaFamily: Family = { name: 'mega_ema', unsupported: () => null, run: runAverage };
/** Mega's gated attention; L B D. */
export const blockMegaFamily: Family = { name: 'block_mega', unsupported: () => null, run: runBlock };
