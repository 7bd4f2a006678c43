import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { rmsNorm, segmentSums, ssdScan } from '@mamba360/ssm/ops';
import type { SsdScanResult } from '@mamba360/ssm/ops';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import type { Family } from './family.ts';
import { gradientsOf, optional, plain, wantsGradients } from './tensors.ts';

type Named = Record<string, Tensor | undefined>;

function runNorm(golden: GoldenCase): CaseOutputs {
  const { params } = golden.description;
  const inputs = { x: plain(golden, 'x'), weight: plain(golden, 'weight'), z: optional(golden, 'z', plain), bias: optional(golden, 'bias', plain) };
  const width = inputs.x.shape.at(-1)!;
  const groupSize = typeof params['group_size'] === 'number' && params['group_size'] > 0 ? params['group_size'] : width;
  const options = { epsilon: params['eps'] as number, groups: width / groupSize, normBeforeGate: params['norm_before_gate'] === true };
  const normalise = (given: Record<string, Tensor | undefined>): Tensor => rmsNorm(given['x']!, given['weight']!, { ...options, z: given['z'], bias: given['bias'] });
  const outputs: Record<string, ArrayLike<number>> = { out: normalise(inputs).dataSync() };
  if (!wantsGradients(golden)) return outputs;
  const dout = plain(golden, 'dout');
  const gradients = gradientsOf(inputs, (tensors) => tf.sum(tf.mul(normalise(tensors), dout)));
  for (const [name, gradient] of Object.entries(gradients)) outputs[`grad_${name}`] = gradient.dataSync();
  return outputs;
}

/** Runs a scan described by `scan` and adds what the case wants of it: outputs under these names, gradients of sum(out * dout) and of the final state where it has a slope. */
function runScan(golden: GoldenCase, inputs: Named, names: { out: string; state: string; dout: string; dstate: string }, scan: (inputs: Named) => SsdScanResult): CaseOutputs {
  const result = scan(inputs);
  const outputs: Record<string, ArrayLike<number>> = { [names.out]: result.output.dataSync(), [names.state]: result.state.dataSync() };
  if (!wantsGradients(golden)) return outputs;
  const dout = plain(golden, names.dout), dstate = optional(golden, names.dstate, plain);
  const gradients = gradientsOf(inputs, (tensors) => {
    const { output, state } = scan(tensors);
    const loss = tf.sum(tf.mul(output, dout));
    return dstate ? tf.add(loss, tf.sum(tf.mul(state, dstate))) : loss;
  });
  for (const [name, gradient] of Object.entries(gradients)) outputs[`grad_${name}`] = gradient.dataSync();
  return outputs;
}

/** ssd_chunk_scan_combined_ref: x, dt, A, B, C as ours. */
function runCombined(golden: GoldenCase): CaseOutputs {
  const { params } = golden.description;
  const inputs: Named = Object.fromEntries(['x', 'dt', 'A', 'B', 'C'].map((name) => [name, plain(golden, name)]));
  for (const name of ['D', 'z', 'dt_bias', 'initial_states']) inputs[name] = optional(golden, name, plain);
  return runScan(golden, inputs, { out: 'out', state: 'final_state', dout: 'dout', dstate: 'dfinal_state' }, (t) =>
    ssdScan(t['x']!, t['dt']!, t['A']!, t['B']!, t['C']!, { D: t['D'], z: t['z'], dtBias: t['dt_bias'], state: t['initial_states'], dtSoftplus: params['dt_softplus'] === true }));
}

/** ssd_minimal_discrete: X = dt x, A = dt A of each step, a group for each head, initial states with an axis of one chunk. */
function runMinimal(golden: GoldenCase): CaseOutputs {
  const inputs: Named = Object.fromEntries(['X', 'A', 'B', 'C'].map((name) => [name, plain(golden, name)]));
  inputs['initial_states'] = optional(golden, 'initial_states', plain);
  const ones = tf.onesLike(inputs['A']!);
  return runScan(golden, inputs, { out: 'Y', state: 'final_state', dout: 'dY', dstate: 'dfinal_state' }, (t) =>
    ssdScan(t['X']!, ones, t['A']!, t['B']!, t['C']!, { state: t['initial_states'] && tf.squeeze(t['initial_states'], [1]) }));
}

function runSegmentSums(golden: GoldenCase): CaseOutputs {
  const sums = segmentSums(plain(golden, 'x'));
  const exponentials = tf.exp(sums);
  return { exp_segsum: exponentials.dataSync(), segsum_lower: tf.where(tf.greater(sums, -Infinity), sums, tf.zerosLike(sums)).dataSync() };
}

/** State passing is a scan over chunks with one state and B = C = 1: `out` holds the states before each chunk. */
function runStatePassing(golden: GoldenCase): CaseOutputs {
  const states = plain(golden, 'states');
  const [batch, chunks, heads, dim] = states.shape as [number, number, number, number];
  const initial = optional(golden, 'initial_states', plain) ?? tf.zeros([batch, heads, dim]);
  const one = tf.ones([batch, chunks, 1, 1]);
  const result = ssdScan(states, tf.ones([batch, chunks, heads]), tf.transpose(plain(golden, 'dA_chunk_cumsum'), [0, 2, 1]), one, one, { state: tf.expandDims(initial, -1), returnStates: 'all' });
  const after = tf.squeeze(result.states!, [4]);
  const out = tf.concat([tf.expandDims(initial, 1), tf.slice(after, [0, 0], [batch, chunks - 1])], 1);
  return { out: out.dataSync(), final_states: result.state.dataSync() };
}

function runnerOf(name: string, inputs: Readonly<Record<string, unknown>>): ((golden: GoldenCase) => CaseOutputs) | null {
  if (name.startsWith('gated_rmsnorm') || 'weight' in inputs) return runNorm;
  if ('X' in inputs) return runMinimal;
  if ('dt' in inputs) return runCombined;
  if ('dA_chunk_cumsum' in inputs) return runStatePassing;
  return Object.keys(inputs).join() === 'x' ? runSegmentSums : null;
}

/** Mamba-2: the chunked scan in its official forms, segment sums, state passing, the gated norm. */
export const ssdFamily: Family = {
  name: 'ssd',
  unsupported: ({ case: name, inputs }) => (runnerOf(name, inputs) ? null : `a case with the inputs ${Object.keys(inputs).join(', ')} is none of the forms of this family`),
  run: (golden) => runnerOf(golden.description.case, golden.description.inputs)!(golden),
};
