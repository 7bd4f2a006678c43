import type { Tensor, Variable } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { Mamba, namedParameters } from '@mamba360/ssm/layers';
import type { GoldenCase, GoldenDescription } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import { lengthLast } from '../layout.ts';
import type { Family } from './family.ts';
import { plain, wantsGradients } from './tensors.ts';

/** The official convolution state is W wide: ours [B, W-1, E], with the input before it in front, zero where the sequence is shorter. */
function wideState(layer: Mamba, x: Tensor, after: Tensor): Float32Array {
  const [batch, length, width] = x.shape as [number, number, number];
  const [, kept, channels] = after.shape as [number, number, number];
  const at = length - kept - 1;
  const weights = layer.parameters;
  const project = (step: Tensor): Tensor => {
    const both = tf.matMul(tf.reshape(step, [batch, width]), weights['in_proj.weight']!, false, true);
    return tf.slice(weights['in_proj.bias'] ? tf.add(both, weights['in_proj.bias']) : both, [0, 0], [batch, channels]);
  };
  const oldest = at >= 0 ? tf.expandDims(project(tf.slice(x, [0, at, 0], [batch, 1, width])), 1) : tf.zeros([batch, 1, channels]);
  const wide = kept > 0 ? tf.concat([oldest, after], 1) : oldest;
  return lengthLast(wide.dataSync(), wide.shape);
}

/** The layer's options among `params`; which biases there are, the weights say. */
const OPTIONS = ['d_model', 'd_state', 'd_conv', 'expand', 'dt_rank', 'dt_min', 'dt_max', 'dt_init', 'dt_scale', 'dt_init_floor'];

function layerConfig({ inputs, params }: GoldenDescription): Record<string, unknown> {
  const given = Object.fromEntries(OPTIONS.filter((name) => params[name] !== undefined && params[name] !== null).map((name) => [name, params[name]]));
  return { ...given, conv_bias: 'conv1d.bias' in inputs, bias: 'in_proj.bias' in inputs };
}

function run(golden: GoldenCase): CaseOutputs {
  const { inputs } = golden.description;
  const weights = Object.keys(inputs).filter((name) => name !== 'x' && name !== 'dy');
  const layer = Mamba.fromOfficial(Object.fromEntries(weights.map((name) => {
    const { shape, values } = golden.value(name);
    return [name, { shape: [...shape], values: Float32Array.from(values) }];
  })), layerConfig(golden.description));
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

/** Blocks with weights; Mamba-1 so far: the later ones have the bias of delta as `dt_bias`. */
export const blockMambaFamily: Family = {
  name: 'block_mamba',
  unsupported: ({ case: name, inputs }) => (/^mamba[23]/.test(name) || 'dt_bias' in inputs ? 'Mamba-2 and Mamba-3 layers are not built yet' : null),
  run,
};
