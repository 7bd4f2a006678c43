import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { gatedLinearAttention } from '@mamba360/ssm/ops';
import type { GatedLinearAttentionResult } from '@mamba360/ssm/ops';
import type { GoldenCase, GoldenDescription } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import { permute } from '../layout.ts';
import type { Family } from './family.ts';
import { runHgrn } from './linear-recurrence-hgrn.ts';
import { gradientsOf, plain, wantsGradients } from './tensors.ts';

/** HGRN is a vector state: cases with x in place of q, k and v. */
const isVectorState = ({ inputs }: GoldenDescription): boolean => 'x' in inputs && !('q' in inputs);

/** Names of the case's inputs, and what the op calls them. Decays are `g`, `gk` or `w`. */
const OURS: Readonly<Record<string, string>> = { q: 'q', k: 'k', v: 'v', g: 'decay', gk: 'decay', w: 'decay', u: 'bonus', beta: 'beta', h0: 'matrix' };
/** Inputs without a length axis. */
const CONSTANT = new Set(['u', 'h0', 'dstate']);

/** Some references keep heads before the length; the notes say which. */
const headsFirst = ({ notes, params, inputs }: GoldenDescription): boolean =>
  (/B H T/.test(notes ?? '') || (!/B T H/.test(notes ?? '') && inputs['q']![1] !== params['T']));

function swap(values: ArrayLike<number>, shape: readonly number[]): { values: ArrayLike<number>; shape: readonly number[] } {
  return permute(values, shape, [0, 2, 1, ...shape.slice(3).map((_, i) => i + 3)]);
}

function read(golden: GoldenCase, name: string): Tensor {
  if (CONSTANT.has(name) || !headsFirst(golden.description)) return plain(golden, name);
  const stored = golden.value(name);
  const { values, shape } = swap(stored.values, stored.shape);
  return tf.tensor(Float32Array.from(values), [...shape], 'float32');
}

const stored = (golden: GoldenCase, name: string, tensor: Tensor): ArrayLike<number> =>
  (CONSTANT.has(name) || !headsFirst(golden.description) ? tensor.dataSync() : swap(tensor.dataSync(), tensor.shape).values);

/** Retention's decay a head: 1 - 2^(-5 - head). */
function headDecay({ params, inputs }: GoldenDescription): Tensor | undefined {
  if (params['gamma'] === undefined) return undefined;
  const heads = typeof params['H'] === 'number' ? params['H'] : inputs['q']![1]!;
  return tf.tensor1d(Array.from({ length: heads }, (_, head) => Math.log1p(-(2 ** (-5 - head)))));
}

function attend(golden: GoldenCase, tensors: Readonly<Record<string, Tensor>>): GatedLinearAttentionResult {
  const { description } = golden;
  const named = Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [OURS[name]!, tensor]));
  const { scale, normalize } = description.params;
  return gatedLinearAttention(named['q']!, named['k']!, named['v']!, {
    decay: named['decay'] ?? headDecay(description), bonus: named['bonus'], beta: named['beta'],
    ...(typeof scale === 'number' && { scale }), ...(normalize === true && { normaliser: 'sum' }), ...(named['matrix'] && { state: { matrix: named['matrix'] } }),
  });
}

function run(golden: GoldenCase): CaseOutputs {
  const { inputs } = golden.description;
  const given = Object.fromEntries(Object.keys(inputs).filter((name) => name in OURS).map((name) => [name, read(golden, name)]));
  const { output, state } = attend(golden, given);
  const outputs: Record<string, ArrayLike<number>> = { o: stored(golden, 'o', output), final_state: state.matrix.dataSync() };
  if (!wantsGradients(golden)) return outputs;
  const cotangents = { output: read(golden, 'do'), state: 'dstate' in inputs ? plain(golden, 'dstate') : undefined };
  const gradients = gradientsOf(given, (tensors) => {
    const result = attend(golden, tensors);
    const loss = tf.sum(tf.mul(result.output, cotangents.output));
    return cotangents.state ? tf.add(loss, tf.sum(tf.mul(result.state.matrix, cotangents.state))) : loss;
  });
  for (const [name, gradient] of Object.entries(gradients)) outputs[`grad_${name}`] = stored(golden, name, gradient);
  return outputs;
}

/** Matrix-state recurrences: retention, GLA, delta rules, KDA, RWKV-6's core, linear attention; and HGRN, whose state is a vector. */
export const linearRecurrenceFamily: Family = {
  name: 'linear_recurrence',
  unsupported: () => null,
  run: (golden) => (isVectorState(golden.description) ? runHgrn(golden) : run(golden)),
};
