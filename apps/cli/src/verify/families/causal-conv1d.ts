import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { causalConv1d, causalConv1dStep } from '@mamba360/ssm/ops';
import type { CausalConv1dOptions } from '@mamba360/ssm/ops';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import { lengthLast } from '../layout.ts';
import type { Family } from './family.ts';
import { gradientsOf, optional, plain, sequence, wantsGradients } from './tensors.ts';

function activationOf(golden: GoldenCase): 'silu' | undefined {
  const { activation } = golden.description.params;
  if (activation === null || activation === undefined) return undefined;
  if (activation === 'silu' || activation === 'swish') return 'silu';
  throw new Error(`activation is ${JSON.stringify(activation)}, expected null, "silu" or "swish"`);
}

const stored = (tensor: Tensor): Float32Array => lengthLast(tensor.dataSync(), tensor.shape);

/** Whole sequence: x [B, D, L], initial and final states [B, D, W-1]. */
function runSequence(golden: GoldenCase): CaseOutputs {
  const activation = activationOf(golden);
  const inputs = {
    x: sequence(golden, 'x'), weight: plain(golden, 'weight'), bias: optional(golden, 'bias', plain), initial_states: optional(golden, 'initial_states', sequence),
  };
  const convolve = (given: Partial<Record<keyof typeof inputs, Tensor | undefined>>) => {
    const options: CausalConv1dOptions = { bias: given.bias, activation, state: given.initial_states };
    return causalConv1d(given.x!, given.weight!, options);
  };
  const { output, state } = convolve(inputs);
  const outputs: Record<string, ArrayLike<number>> = { out: stored(output), final_states: stored(state) };
  if (!wantsGradients(golden)) return outputs;
  const dout = sequence(golden, 'dout');
  const dfinal = optional(golden, 'dfinal_states', sequence);
  const gradients = gradientsOf(inputs, (tensors) => {
    const result = convolve(tensors);
    const loss = tf.sum(tf.mul(result.output, dout));
    return dfinal ? tf.add(loss, tf.sum(tf.mul(result.state, dfinal))) : loss;
  });
  for (const [name, gradient] of Object.entries(gradients)) {
    outputs[`grad_${name}`] = name === 'x' || name === 'initial_states' ? stored(gradient) : gradient.dataSync();
  }
  return outputs;
}

/**
 * One step (x [B, D]) or a few (x [B, D, L]) with the official state, of any width from W - 1: columns before the W - 1 newest are kept
 * but no output reads them. Ours is those W - 1; the older columns of the new one are taken from what went in.
 */
function runUpdate(golden: GoldenCase): CaseOutputs {
  const options = { bias: optional(golden, 'bias', plain), activation: activationOf(golden) };
  const weight = plain(golden, 'weight');
  const whole = sequence(golden, 'conv_state'); // [B, S, D]
  const [batch, size, channels] = whole.shape as [number, number, number];
  const older = size - (weight.shape[1]! - 1);
  if (older < 0) throw new Error(`conv_state holds ${size} inputs, expected at least the ${size - older} that weight reads`);
  const single = golden.value('x').shape.length === 2;
  const x = single ? plain(golden, 'x') : sequence(golden, 'x');
  const steps = single ? 1 : x.shape[1]!;
  const tail = tf.slice(whole, [0, older, 0], [batch, size - older, channels]);
  const { output, state } = single ? causalConv1dStep(tail, x, weight, options) : causalConv1d(x, weight, { ...options, state: tail });
  const seen = tf.concat([whole, single ? tf.expandDims(x, 1) : x], 1);
  const next = tf.concat([tf.slice(seen, [0, steps, 0], [batch, older, channels]), state].filter((part) => part.size > 0), 1);
  return { out: single ? output.dataSync() : stored(output), new_conv_state: stored(next) };
}

/** Short depthwise causal convolution, whole and stepwise. */
export const causalConv1dFamily: Family = {
  name: 'causal_conv1d',
  unsupported: () => null,
  run: (golden) => (golden.has('conv_state') ? runUpdate(golden) : runSequence(golden)),
};
