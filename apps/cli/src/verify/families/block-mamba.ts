import type { Tensor, Variable } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { Mamba, Mamba2, Mamba3, namedParameters } from '@mamba360/ssm/layers';
import type { SequenceLayer, State } from '@mamba360/ssm/layers';
import type { GoldenCase, GoldenDescription } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import { lengthLast } from '../layout.ts';
import type { Family } from './family.ts';
import { plain, wantsGradients } from './tensors.ts';

/** How one generation of the block is built from a case, and where its convolution reads in_proj's output. */
interface Generation {
  create(weights: Record<string, { shape: number[]; values: Float32Array }>, description: GoldenDescription): SequenceLayer;
  firstChannel(layer: SequenceLayer): number;
}

/** The official convolution state is W wide: ours [B, W-1, E], with the input before it in front, zero where the sequence is shorter. */
function wideState(layer: SequenceLayer, x: Tensor, after: Tensor, firstChannel: number): Float32Array {
  const [batch, length, width] = x.shape as [number, number, number];
  const [, kept, channels] = after.shape as [number, number, number];
  const at = length - kept - 1;
  const weights = layer.parameters as Record<string, Variable>;
  const project = (step: Tensor): Tensor => {
    const whole = tf.matMul(tf.reshape(step, [batch, width]), weights['in_proj.weight']!, false, true);
    return tf.slice(weights['in_proj.bias'] ? tf.add(whole, weights['in_proj.bias']) : whole, [0, firstChannel], [batch, channels]);
  };
  const oldest = at >= 0 ? tf.expandDims(project(tf.slice(x, [0, at, 0], [batch, 1, width])), 1) : tf.zeros([batch, 1, channels]);
  const wide = kept > 0 ? tf.concat([oldest, after], 1) : oldest;
  return lengthLast(wide.dataSync(), wide.shape);
}

const given = ({ params }: GoldenDescription, names: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(names.filter((name) => params[name] !== undefined && params[name] !== null).map((name) => [name, params[name]]));

/** Which biases there are, the weights say. */
const MAMBA: Generation = {
  create: (weights, description) => Mamba.fromOfficial(weights, {
    ...given(description, ['d_model', 'd_state', 'd_conv', 'expand', 'dt_rank', 'dt_min', 'dt_max', 'dt_init', 'dt_scale', 'dt_init_floor']),
    conv_bias: 'conv1d.bias' in description.inputs, bias: 'in_proj.bias' in description.inputs,
  }),
  firstChannel: () => 0,
};

const MAMBA2: Generation = {
  create: (weights, description) => Mamba2.fromOfficial(weights, {
    ...given(description, ['d_model', 'd_state', 'd_conv', 'expand', 'headdim', 'd_ssm', 'ngroups', 'D_has_hdim', 'norm_before_gate', 'dt_limit']),
    ...(typeof description.params['norm_eps'] === 'number' ? { norm_epsilon: description.params['norm_eps'] } : {}),
    rmsnorm: 'norm.weight' in description.inputs, conv_bias: 'conv1d.bias' in description.inputs, bias: 'in_proj.bias' in description.inputs,
  }),
  // in_proj gives the two parts beside the scan, the gate, then what the convolution reads.
  firstChannel: (layer) => {
    const { config } = layer as Mamba2;
    const inner = config.expand * config.dModel, ssm = config.dSsm ?? inner;
    return 2 * (inner - ssm) + ssm;
  },
};

const MAMBA3: Generation = {
  create: (weights, description) => Mamba3.fromOfficial(weights, {
    ...given(description, ['d_model', 'd_state', 'expand', 'headdim', 'ngroups', 'rope_fraction', 'is_mimo', 'mimo_rank']), is_outproj_norm: 'norm.weight' in description.inputs,
    ...(typeof description.params['A_floor'] === 'number' ? { AFloor: description.params['A_floor'] } : {}),
  }),
  firstChannel: () => 0,
};

function run(golden: GoldenCase): CaseOutputs {
  const { description } = golden;
  const generation = generationOf(description);
  const names = Object.keys(description.inputs).filter((name) => name !== 'x' && name !== 'dy');
  const layer = generation.create(Object.fromEntries(names.map((name) => {
    const { shape, values } = golden.value(name);
    return [name, { shape: [...shape], values: Float32Array.from(values) }];
  })), description);
  try {
    const x = plain(golden, 'x');
    const { output, state } = layer.apply(x);
    const outputs: Record<string, ArrayLike<number>> = { y: output.dataSync(), ...statesOf(layer, x, state, generation) };
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

function statesOf(layer: SequenceLayer, x: Tensor, state: State, { firstChannel }: Generation): Record<string, ArrayLike<number>> {
  if (!(state['convolution'] instanceof tf.Tensor)) return {};
  return { final_ssm_state: (state['ssm'] as Tensor).dataSync(), final_conv_state: wideState(layer, x, state['convolution'], firstChannel(layer)) };
}

/** Known by what the weights hold, whatever the case is called. */
function generationOf({ case: name, inputs }: GoldenDescription): Generation {
  if (name.startsWith('mamba3') || 'B_bias' in inputs) return MAMBA3;
  return name.startsWith('mamba2') || 'dt_bias' in inputs ? MAMBA2 : MAMBA;
}

/** Blocks with weights: Mamba, Mamba-2, Mamba-3. */
export const blockMambaFamily: Family = {
  name: 'block_mamba',
  unsupported: () => null,
  run,
};
