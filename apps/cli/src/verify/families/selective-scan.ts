import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { selectiveScan } from '@mamba360/ssm/ops';
import type { ComplexTensor, SelectiveScanResult } from '@mamba360/ssm/ops';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import { every2nd, interleave, lengthLast, lengthSecond } from '../layout.ts';
import type { Family } from './family.ts';
import { gradientsOf, optional, plain, sequence, wantsGradients } from './tensors.ts';

type Named = Record<string, Tensor | undefined>;

const laidTensor = (values: ArrayLike<number>, shape: readonly number[]): Tensor => {
  const laid = lengthSecond(values, shape);
  return tf.tensor(laid.values, laid.shape, 'float32');
};

/** Stored with a trailing axis of re, im where the case says complex. */
function constant(golden: GoldenCase, name: string, into: Named): void {
  const { values, shape, complex } = golden.value(name);
  if (!complex) {
    into[name] = plain(golden, name);
    return;
  }
  into[`${name}.re`] = tf.tensor(every2nd(values, 0), [...shape], 'float32');
  into[`${name}.im`] = tf.tensor(every2nd(values, 1), [...shape], 'float32');
}

/** B or C: constant [D, N]; or [B, N, L] or [B, G, N, L], where re and im alternate along a last axis of 2 L under a complex A. */
function coefficient(golden: GoldenCase, name: string, length: number, complex: boolean, into: Named): void {
  const { values, shape } = golden.value(name);
  if (shape.length === 2) return constant(golden, name, into);
  if (!complex) {
    into[name] = sequence(golden, name);
    return;
  }
  if (shape.at(-1) !== 2 * length) throw new Error(`tensor ${name} has shape [${shape.join(', ')}], expected a last axis of ${2 * length} (re and im of ${length} steps)`);
  const half = [...shape.slice(0, -1), length];
  into[`${name}.re`] = laidTensor(every2nd(values, 0), half);
  into[`${name}.im`] = laidTensor(every2nd(values, 1), half);
}

function readInputs(golden: GoldenCase): { inputs: Named; complex: boolean } {
  const inputs: Named = { u: sequence(golden, 'u'), delta: sequence(golden, 'delta') };
  const complex = golden.value('A').complex;
  constant(golden, 'A', inputs);
  const length = golden.value('u').shape[2]!;
  coefficient(golden, 'B', length, complex, inputs);
  coefficient(golden, 'C', length, complex, inputs);
  inputs['D'] = optional(golden, 'D', plain);
  inputs['z'] = optional(golden, 'z', sequence);
  inputs['delta_bias'] = optional(golden, 'delta_bias', plain);
  return { inputs, complex };
}

const pair = (inputs: Named, name: string): Tensor | ComplexTensor =>
  (inputs[name] ?? { re: inputs[`${name}.re`]!, im: inputs[`${name}.im`]! });

function runScan(inputs: Named, deltaSoftplus: boolean): SelectiveScanResult<Tensor | ComplexTensor> {
  const scan = selectiveScan as (...args: unknown[]) => SelectiveScanResult<Tensor | ComplexTensor>;
  return scan(inputs['u'], inputs['delta'], pair(inputs, 'A'), pair(inputs, 'B'), pair(inputs, 'C'), {
    D: inputs['D'], z: inputs['z'], deltaBias: inputs['delta_bias'], deltaSoftplus,
  });
}

const dot = (a: Tensor, b: Tensor): Tensor => tf.sum(tf.mul(a, b));

/** sum(out * dout), plus Re sum(last_state * conj(dlast)) where the case has a dlast. */
function lossOf(golden: GoldenCase, result: SelectiveScanResult<Tensor | ComplexTensor>, cotangents: Named): Tensor {
  const { output, state } = result;
  const loss = dot(output, cotangents['dout']!);
  if (!('dlast' in golden.description.inputs)) return loss;
  if (!('re' in state)) return tf.add(loss, dot(state, cotangents['dlast']!));
  return tf.addN([loss, dot(state.re, cotangents['dlast.re']!), dot(state.im, cotangents['dlast.im']!)]);
}

/** Back to the axis order, and the place of re and im, that the case stores. */
function store(golden: GoldenCase, name: string, parts: readonly Tensor[]): Float32Array {
  const varying = !['A', 'D', 'delta_bias'].includes(name) && parts[0]!.shape.length > 2;
  const laid = parts.map((part) => (varying ? lengthLast(part.dataSync(), part.shape) : part.dataSync() as Float32Array));
  return laid.length === 2 ? interleave(laid[0]!, laid[1]!) : laid[0]!;
}

function run(golden: GoldenCase): CaseOutputs {
  const deltaSoftplus = golden.description.params['delta_softplus'] === true;
  const { inputs } = readInputs(golden);
  const result = runScan(inputs, deltaSoftplus);
  const { state } = result;
  const outputs: Record<string, ArrayLike<number>> = {
    out: store(golden, 'u', [result.output]),
    last_state: 're' in state ? interleave(state.re.dataSync(), state.im.dataSync()) : state.dataSync(),
  };
  if (!wantsGradients(golden)) return outputs;
  const cotangents: Named = { dout: sequence(golden, 'dout') };
  if ('dlast' in golden.description.inputs) constant(golden, 'dlast', cotangents);
  const gradients = gradientsOf(inputs, (tensors) => lossOf(golden, runScan(tensors, deltaSoftplus), cotangents));
  for (const name of ['u', 'delta', 'A', 'B', 'C', 'D', 'z', 'delta_bias']) {
    const parts = [gradients[name], gradients[`${name}.re`], gradients[`${name}.im`]].filter((part) => part !== undefined);
    if (parts.length > 0) outputs[`grad_${name}`] = store(golden, name, parts);
  }
  return outputs;
}

/** Mamba's selective scan: B D L, real and complex, forward, last state, every gradient. */
export const selectiveScanFamily: Family = { name: 'selective_scan', unsupported: () => null, run };
