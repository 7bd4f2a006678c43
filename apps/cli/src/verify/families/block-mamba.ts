import type { Tensor, Variable } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { Mamba, namedParameters } from '@mamba360/ssm/layers';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import { lengthLast } from '../layout.ts';
import type { Family } from './family.ts';
import { plain, wantsGradients } from './tensors.ts';

/** The official convolution state is W wide: ours [B, W-1, E], with the input before it in front, which our state one step earlier still holds. */
function wideState(layer: Mamba, x: Tensor, after: Tensor): Float32Array {
  const [batch, length, width] = x.shape as [number, number, number];
  const [, kept, channels] = after.shape as [number, number, number];
  const oldest = length > 1 && kept > 0
    ? tf.slice(layer.apply(tf.slice(x, [0, 0, 0], [batch, length - 1, width])).state.convolution, [0, 0, 0], [batch, 1, channels])
    : tf.zeros([batch, 1, channels]);
  const wide = tf.concat([oldest, after], 1);
  return lengthLast(wide.dataSync(), wide.shape);
}

function run(golden: GoldenCase): CaseOutputs {
  const { inputs, params } = golden.description;
  const weights = Object.keys(inputs).filter((name) => name !== 'x' && name !== 'dy');
  const layer = Mamba.fromOfficial(Object.fromEntries(weights.map((name) => {
    const { shape, values } = golden.value(name);
    return [name, { shape: [...shape], values: Float32Array.from(values) }];
  })), params);
  try {
    const x = plain(golden, 'x');
    const { output, state } = layer.apply(x);
    const outputs: Record<string, ArrayLike<number>> = {
      y: output.dataSync(), final_ssm_state: state.ssm.dataSync(),
      final_conv_state: wideState(layer, x, state.convolution),
    };
    if (!wantsGradients(golden)) return outputs;
    const dy = plain(golden, 'dy');
    const variables: [string, Variable][] = namedParameters(layer.parameters);
    const loss = (): Tensor => tf.sum(tf.mul(layer.apply(x).output, dy));
    const { grads } = tf.engine().gradients(loss, [x, ...variables.map(([, variable]) => variable)]);
    outputs['grad_x'] = grads[0]!.dataSync();
    variables.forEach(([name], i) => { outputs[`grad_${name}`] = grads[i + 1]!.dataSync(); });
    return outputs;
  } finally {
    layer.dispose();
  }
}

/** Blocks with weights; Mamba-1 so far. */
export const blockMambaFamily: Family = {
  name: 'block_mamba',
  unsupported: ({ case: name }) => (name.startsWith('mamba1') ? null : 'Mamba-2 and Mamba-3 layers are not built yet'),
  run,
};
