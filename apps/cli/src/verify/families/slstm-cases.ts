import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { Slstm } from '@mamba360/ssm/layers';
import { nonlinearScanStep } from '@mamba360/ssm/ops';
import type { NonlinearState } from '@mamba360/ssm/ops';
import type { GoldenCase, GoldenDescription } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import { caseWeights, parameterGradients } from './layer-case.ts';
import { plain, wantsGradients } from './tensors.ts';

/** Wx [S, B, 4 H], R [4 H, H], b [1, 4 H]: the states y, c, n, m after each step, [S, 4, B, H]. */
function runPointwise(golden: GoldenCase): CaseOutputs {
  const [Wx, R, b] = [plain(golden, 'Wx'), plain(golden, 'R'), plain(golden, 'b')];
  const [length, batch] = Wx.shape as [number, number, number];
  const width = R.shape[1]!;
  const zeros = tf.zeros([batch, width]);
  let state: NonlinearState = { hidden: zeros, cell: zeros, normaliser: zeros, maximum: zeros };
  const steps: Tensor[] = [];
  for (let t = 0; t < length; t++) {
    const x = tf.reshape(tf.slice(Wx, [t, 0, 0], [1, batch, 4 * width]), [batch, 4 * width]);
    const next = nonlinearScanStep(state, x, tf.expandDims(tf.transpose(R), 0), { kind: 'slstm', recurrentBias: tf.reshape(b, [4 * width]) });
    state = next.state;
    steps.push(tf.stack([state.hidden, state.cell!, state.normaliser!, state.maximum!]));
  }
  return { states: tf.stack(steps).dataSync() };
}

function runLayer(golden: GoldenCase): CaseOutputs {
  const layer = Slstm.fromOfficial(caseWeights(golden, (name) => (['x', 'dy'].includes(name) ? null : name)), golden.description.params);
  try {
    const x = plain(golden, 'x');
    const y = layer.apply(x).output.dataSync();
    if (!wantsGradients(golden)) return { y };
    const dy = plain(golden, 'dy');
    return { y, ...parameterGradients(layer.parameters, { x }, () => tf.sum(tf.mul(layer.apply(x).output, dy))) };
  } finally {
    layer.dispose();
  }
}

const isPointwise = ({ inputs }: GoldenDescription): boolean => 'Wx' in inputs && 'R' in inputs;

/** Cases of the sLSTM: its layer, and its cell alone. */
export const isSlstm = (description: GoldenDescription): boolean => isPointwise(description) || 'slstm_cell._recurrent_kernel_' in description.inputs;

export const runSlstm = (golden: GoldenCase): CaseOutputs => (isPointwise(golden.description) ? runPointwise(golden) : runLayer(golden));
