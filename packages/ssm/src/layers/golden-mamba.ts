import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { float32Values } from '../checkpoints/index.ts';
import type { StoredTensor } from '../checkpoints/index.ts';
import { camelKeys } from './mamba-config.ts';
import { Mamba } from './mamba.ts';
import { MAMBA2_KEYS } from './mamba2-config.ts';
import { Mamba2 } from './mamba2.ts';
import { MAMBA3_KEYS } from './mamba3-config.ts';
import { Mamba3 } from './mamba3.ts';
import { namedParameters } from './parameters.ts';
import type { SequenceLayer } from './sequence-layer.ts';
import type { State } from './state.ts';

/** Values of one golden quantity: what the layer gave and what the reference gave. */
export interface GoldenComparison { readonly name: string; readonly actual: Float32Array; readonly expected: Float32Array }

/**
 * Runs one case of the golden family `block_mamba` (Mamba-1) through the layer: output, both final states and every gradient.
 *
 * @param tensors - The case's safetensors.
 * @param params - `params` of the case's json.
 * @returns One comparison for each of the case's outputs, in its names and axis order.
 */
export function runMambaGolden(tensors: ReadonlyMap<string, StoredTensor>, params: { readonly [key: string]: unknown }): GoldenComparison[] {
  return compareBlock(Mamba.fromOfficial(blockWeights(tensors), params), tensors, convolutionAndScan);
}

/** The same for Mamba-2. `params` also holds options of the case that are none of the layer; they are left out. */
export function runMamba2Golden(tensors: ReadonlyMap<string, StoredTensor>, params: { readonly [key: string]: unknown }): GoldenComparison[] {
  const { norm_eps: normEpsilon, ...rest } = params;
  const known = Object.entries(camelKeys(rest)).filter(([key]) => key === 'dModel' || (MAMBA2_KEYS as readonly string[]).includes(key));
  return compareBlock(Mamba2.fromOfficial(blockWeights(tensors), { ...Object.fromEntries(known), normEpsilon }), tensors, convolutionAndScan);
}

/** The same for Mamba-3 with one rank; its cases store no final state. */
export function runMamba3Golden(tensors: ReadonlyMap<string, StoredTensor>, params: { readonly [key: string]: unknown }): GoldenComparison[] {
  const known = Object.entries(camelKeys(params)).filter(([key]) => key === 'dModel' || (MAMBA3_KEYS as readonly string[]).includes(key));
  return compareBlock(Mamba3.fromOfficial(blockWeights(tensors), Object.fromEntries(known)), tensors, () => []);
}

function blockWeights(tensors: ReadonlyMap<string, StoredTensor>): ReadonlyMap<string, StoredTensor> {
  const names = [...tensors.keys()].filter((name) => tensors.has(`grad_${name}`) && name !== 'x');
  return new Map(names.map((name) => [name, tensors.get(name)!]));
}

/** The official convolution state keeps W inputs [B, E, W]; ours the W - 1 that are read again, so the first column is left out of both. */
const convolutionAndScan = (state: State): [string, Tensor][] =>
  [['final_conv_state', tf.transpose(state.convolution as Tensor, [0, 2, 1])], ['final_ssm_state', state.ssm as Tensor]];

/** Compares a layer, and disposes it. */
function compareBlock(layer: SequenceLayer, tensors: ReadonlyMap<string, StoredTensor>, statesOf: (state: State) => [string, Tensor][]): GoldenComparison[] {
  try {
    return tf.tidy(() => {
      const tensor = (name: string): Tensor => tf.tensor(float32Values(tensors.get(name)!), [...tensors.get(name)!.shape]);
      const variables = namedParameters(layer.parameters);
      const x = tensor('x');
      const { output, state } = layer.apply(x);
      const loss = (): Tensor => tf.sum(tf.mul(layer.apply(x).output, tensor('dy')));
      const { grads } = tf.engine().gradients(loss as never, [x, ...variables.map(([, variable]) => variable)], undefined as never, true);
      const given: [string, Tensor][] = [
        ['y', output], ...statesOf(state), ['grad_x', grads[0]], ...variables.map(([name], index): [string, Tensor] => [`grad_${name}`, grads[index + 1]]),
      ];
      return given.map(([name, value]) => ({ name, actual: value.dataSync() as Float32Array, expected: expectedValues(name, tensors) }));
    });
  } finally {
    layer.dispose();
  }
}

function expectedValues(name: string, tensors: ReadonlyMap<string, StoredTensor>): Float32Array {
  const stored = tensors.get(name)!;
  const values = float32Values(stored);
  if (name !== 'final_conv_state') return values;
  const width = stored.shape[2];
  return values.filter((_, index) => index % width !== 0);
}
