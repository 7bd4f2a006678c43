import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { Mlstm } from '@mamba360/ssm/layers';
import { gatedLinearAttention } from '@mamba360/ssm/ops';
import type { GatedLinearAttentionResult } from '@mamba360/ssm/ops';
import type { GoldenCase, GoldenDescription } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import type { Family } from './family.ts';
import { caseWeights, parameterGradients } from './layer-case.ts';
import { isSlstm, runSlstm } from './slstm-cases.ts';
import { gradientsOf, plain } from './tensors.ts';

/** [B, H, L, ...] <-> [B, L, H, ...]. */
const swap = (x: Tensor): Tensor => tf.transpose(x, [0, 2, 1, 3]);

/** Inputs in the case's own order: heads before the length, gates with an axis of 1 behind. */
function cell(inputs: Readonly<Record<string, Tensor>>, epsilon: number): GatedLinearAttentionResult {
  const { q, k, v, igate, fgate } = inputs as Record<'q' | 'k' | 'v' | 'igate' | 'fgate', Tensor>;
  const gate = (x: Tensor): Tensor => tf.squeeze(swap(x), [3]);
  return gatedLinearAttention(swap(q), swap(tf.mul(k, k.shape[3]! ** -0.5)), swap(v), {
    decay: tf.neg(tf.softplus(tf.neg(gate(fgate)))), inputGate: gate(igate), normaliser: 'maximum', epsilon, scale: 1,
  });
}

function runCell(golden: GoldenCase): CaseOutputs {
  const epsilon = golden.description.params['eps'] as number;
  const inputs = Object.fromEntries(['q', 'k', 'v', 'igate', 'fgate'].map((name) => [name, plain(golden, name)]));
  const { output, state } = cell(inputs, epsilon);
  const h = swap(output).dataSync(), dh = plain(golden, 'dh');
  const gradients = gradientsOf(inputs, (tensors) => tf.sum(tf.mul(swap(cell(tensors, epsilon).output), dh)));
  return {
    // Both forms of the reference are the same function up to where the epsilon stands.
    h, h_recurrent_m0: h, c: state.matrix.dataSync(), n: state.normaliser!.dataSync(), m: state.maximum!.dataSync(),
    ...Object.fromEntries(Object.entries(gradients).map(([name, gradient]) => [`grad_${name}`, gradient.dataSync()])),
  };
}

function runLayer(golden: GoldenCase): CaseOutputs {
  const layer = Mlstm.fromOfficial(caseWeights(golden, (name) => (['x', 'dy'].includes(name) ? null : name)), golden.description.params);
  try {
    const x = plain(golden, 'x'), dy = plain(golden, 'dy');
    const [batch, length, width] = x.shape as [number, number, number];
    let state = layer.initialState(batch);
    const steps = [];
    for (let at = 0; at < length; at++) {
      const one = layer.step(tf.reshape(tf.slice(x, [0, at, 0], [batch, 1, width]), [batch, width]), state);
      steps.push(one.output);
      state = one.state;
    }
    return {
      y: layer.apply(x).output.dataSync(), y_steps: tf.stack(steps, 1).dataSync(),
      ...parameterGradients(layer.parameters, { x }, () => tf.sum(tf.mul(layer.apply(x).output, dy))),
    };
  } finally {
    layer.dispose();
  }
}

const isCell = ({ inputs }: GoldenDescription): boolean => 'q' in inputs && 'igate' in inputs;
const isMlstmLayer = ({ inputs }: GoldenDescription): boolean => 'mlstm_cell.igate.weight' in inputs;

/** xLSTM: cells and layers of both memories. */
export const blockXlstmFamily: Family = {
  name: 'block_xlstm',
  unsupported: (description) => (isCell(description) || isMlstmLayer(description) || isSlstm(description) ? null : 'it is neither a cell nor a layer of the mLSTM or sLSTM'),
  run: (golden) => (isSlstm(golden.description) ? runSlstm(golden) : isCell(golden.description) ? runCell(golden) : runLayer(golden)),
};
