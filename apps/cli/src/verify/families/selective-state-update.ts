import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { selectiveScanStep } from '@mamba360/ssm/ops';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import type { Family } from './family.ts';
import { optional, plain } from './tensors.ts';

/**
 * With heads the case stores [B, H, D] and [H, D, N]; ours has the H * D channels on one axis, in the same order. Groups of heads are
 * groups of channels then, so B and C [B, G, N] stay as they are.
 */
function run(golden: GoldenCase): CaseOutputs {
  const state = golden.value('state').shape;
  const heads = state.length === 4;
  const channels = heads ? state[1]! * state[2]! : state[1]!;
  const merge = (tensor: Tensor, before: number): Tensor =>
    (heads ? tf.reshape(tensor, [...tensor.shape.slice(0, before), channels, ...tensor.shape.slice(before + 2)]) : tensor);
  const read = (name: string, before: number): Tensor => merge(plain(golden, name), before);
  const { output, state: next } = selectiveScanStep(read('state', 1), read('x', 1), read('dt', 1), read('A', 0), plain(golden, 'B'), plain(golden, 'C'), {
    D: optional(golden, 'D', () => read('D', 0)),
    z: optional(golden, 'z', () => read('z', 1)),
    deltaBias: optional(golden, 'dt_bias', () => read('dt_bias', 0)),
    deltaSoftplus: golden.description.params['dt_softplus'] === true,
  });
  return { out: output.dataSync(), new_state: next.dataSync() };
}

/** One recurrent step of the selective scan. */
export const selectiveStateUpdateFamily: Family = { name: 'selective_state_update', unsupported: () => null, run };
