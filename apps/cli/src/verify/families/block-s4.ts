import type { Tensor, Variable } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { namedParameters, S4, S4d } from '@mamba360/ssm/layers';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import type { Family } from './family.ts';
import { plain, wantsGradients } from './tensors.ts';
import { weightsOf } from './weights.ts';

const KNOWN = ['d_model', 'd_state', 'activation'];

/** x, y and their gradients are B D L where the case says transposed. C is the plain one of before the first call; its gradient is that of the corrected one. */
function run(golden: GoldenCase): CaseOutputs {
  const { params } = golden.description, { x: _x, dy: _dy, ...weights } = weightsOf(golden), length = params['length'] as number;
  const options = { ...Object.fromEntries(KNOWN.map((name) => [name, params[name]])), final_act: params['final_act'] ?? 'none' };
  const layer = params['kernel'] === 'dplr'
    ? S4.fromOfficial(weights, { ...options, l_max: length, plain_c: true, rank: golden.value('layer.kernel.P').shape[0] })
    : S4d.fromOfficial(weights, options);
  const turn = (tensor: Tensor): Tensor => (params['transposed'] === true ? tf.transpose(tensor, [0, 2, 1]) : tensor);
  try {
    const x = turn(plain(golden, 'x')), outputs: Record<string, ArrayLike<number>> = { y: turn(layer.apply(x).output).dataSync(), K: layer.kernel(length).dataSync() };
    if (!wantsGradients(golden)) return outputs;
    const dy = turn(plain(golden, 'dy')), variables: [string, Variable][] = namedParameters(layer.parameters);
    const { grads } = tf.engine().gradients(() => tf.sum(tf.mul(layer.apply(x).output, dy)) as Tensor, [x, ...variables.map(([, variable]) => variable)]);
    outputs['grad_x'] = turn(grads[0]!).dataSync();
    variables.forEach(([name], i) => { outputs[`grad_${name}`] = grads[i + 1]!.dataSync(); });
    return outputs;
  } finally {
    layer.dispose();
  }
}

/** The S4 block: S4 and S4D with skip, activation and gated linear map. */
export const blockS4Family: Family = {
  name: 'block_s4',
  unsupported: ({ params }) => (params['bidirectional'] === true ? 'the bidirectional S4 block is not built yet' : null),
  run,
};
