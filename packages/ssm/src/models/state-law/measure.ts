import type { Tensor, Variable } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { detachState, keepState, namedParameters, stateLeaves } from '../../layers/index.ts';
import type { SequenceLayer, State } from '../../layers/index.ts';
import { Random } from '../../random/index.ts';
import type { Form, Given, Outcome } from './forms.ts';

export type Kind = 'output' | 'state' | 'gradient';

/** Everything a form gives, by name: outputs, final states, gradients with respect to input, state and parameters. */
export type Measured = Map<string, { readonly kind: Kind; readonly values: Float32Array }>;

/**
 * Runs a form with gradients. The loss is the sum of every output and final state times a fixed random cotangent.
 */
export function measure(form: Form, given: Given, differentiable: boolean): Measured {
  const variables = namedParameters(given.layer.parameters);
  const measured: Measured = new Map();
  tf.tidy(() => {
    let outcome: Outcome | undefined;
    const loss = (): Tensor => {
      outcome = form(given);
      for (const tensor of outcome.outputs) tf.keep(tensor);
      for (const state of outcome.states) for (const [, tensor] of stateLeaves(state)) tf.keep(tensor);
      return weightedSum(outcome);
    };
    const inputs = differentiable ? given.inputs : [];
    const leaves = given.states.flatMap((state) => stateLeaves(state).map(([, tensor]) => tensor));
    const targets: Tensor[] = [...inputs, ...leaves, ...variables.map(([, variable]) => variable as Variable)];
    const { grads } = tf.engine().gradients(loss, targets, undefined, true) as { grads: (Tensor | undefined)[] };
    const add = (name: string, kind: Kind, tensor: Tensor | undefined, size: number): void => {
      measured.set(name, { kind, values: tensor ? Float32Array.from(tensor.dataSync()) : new Float32Array(size) });
    };
    const { outputs, states } = outcome!;
    outputs.forEach((tensor, index) => add(`output ${index}`, 'output', tensor, 0));
    states.forEach((state, index) => { for (const [name, tensor] of stateLeaves(state)) add(`state ${index}.${name}`, 'state', tensor, 0); });
    const names = [
      ...inputs.map((_, index) => `gradient of input ${index}`), ...given.states.flatMap((state, index) => stateLeaves(state).map(([name]) => `gradient of state ${index}.${name}`)),
      ...variables.map(([name]) => `gradient of ${name}`),
    ];
    names.forEach((name, index) => add(name, 'gradient', grads[index], targets[index].size));
    tf.dispose([outputs, ...states.flatMap((state) => stateLeaves(state).map(([, tensor]) => tensor))]);
  });
  return measured;
}

function weightedSum({ outputs, states }: Outcome): Tensor {
  const cotangent = (tensor: Tensor, name: string): Tensor => tf.sum(tf.mul(tensor, tf.tensor(Random.fromSeed(`cotangent ${name}`).normal(tensor.size), tensor.shape)));
  // Counted from the end, so that the one state of a packed row meets the cotangent of the last sequence.
  const fromEnd = states.length;
  return tf.addN([
    ...outputs.map((tensor, index) => cotangent(tensor, `output ${index}`)),
    ...states.flatMap((state, index) => stateLeaves(state).map(([name, tensor]) => cotangent(tensor, `state ${fromEnd - index} ${name}`))),
    tf.scalar(0),
  ]);
}

/** max|a - b| / max(max|b|, .001) over the tensors of each kind, with the worst tensor's name. */
export function worstErrors(actual: Measured, expected: Measured): { readonly [kind in Kind]: { error: number; tensor: string } } {
  const worst = { output: { error: 0, tensor: '' }, state: { error: 0, tensor: '' }, gradient: { error: 0, tensor: '' } };
  for (const [name, { kind, values }] of actual) {
    const truth = expected.get(name);
    let difference = truth && truth.values.length === values.length ? 0 : Infinity;
    let scale = 1e-3;
    for (let index = 0; index < values.length && difference < Infinity; index++) {
      const gap = Math.abs(values[index] - truth!.values[index]);
      // NaN must count as a miss, and a comparison with it never does.
      difference = Number.isNaN(gap) ? Infinity : Math.max(difference, gap);
      scale = Math.max(scale, Math.abs(truth!.values[index]));
    }
    if (difference / scale >= worst[kind].error) worst[kind] = { error: difference / scale, tensor: name };
  }
  return worst;
}

/**
 * A state of a sequence that had begun before: what the layer returns after a few random steps. Only such states are promised anything; arbitrary numbers
 * may be none, as in a normaliser that must be positive or a count of steps.
 */
export function begunState(layer: SequenceLayer, member: { input(length: number, random: Random): Tensor }, random: Random): State {
  return tf.tidy(() => keepState(detachState(layer.apply(member.input(1 + random.integer(4), random)).state)));
}
