import { backendMatrix, checkOperation, expectGradient, expectTensorClose, kernelVariants, poisonOutputs, SeededValues, tensorsOf } from '@mamba360/testing';
import type { NamedArray } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { legsMemory } from '../../math/index.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { legsScan, legsScanStep } from './index.ts';
import { legsBackwardReference, legsForwardReference } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

interface Setup { readonly batch?: number; readonly length?: number; readonly heads?: number; readonly stateSize?: number; readonly channels?: number; readonly alpha?: number; readonly scale?: number; readonly seen?: number[]; readonly sequence?: SequenceOptions }

function makeExample({ batch = 2, length = 9, heads = 5, stateSize = 4, channels = 1, alpha = 0.5, scale = 1, seen, sequence = {} }: Setup) {
  const random = new SeededValues(4), normal = (shape: number[], deviation = 1): NamedArray => ({ shape, values: random.normal(shape.reduce((a, b) => a * b, 1), deviation) });
  const inputs: Record<string, NamedArray> = { u: normal([batch, length, heads], scale), c: normal([channels, heads, stateSize]), ...(seen && { state: normal([batch, heads, stateSize]) }) };
  const given = {
    batch, length, heads, stateSize, channels, alpha, u: inputs['u']!.values, c: inputs['c']!.values, initial: inputs['state']?.values, steps: seen,
    control: controlBytes('test', batch, length, sequence),
  };
  const run = (t: Record<string, Tensor>, u = t['u']!) => legsScan(u, t['c']!, { ...sequence, alpha, ...(seen && { state: { memory: t['state']!, steps: tf.tensor1d(seen, 'int32') } }) });
  return { inputs, given, run };
}

const HOLES = [[true, false, true, true, false, false, true, true, true], [false, false, true, false, true, true, true, true, false]];
const PACKED = [[0, 0, 0, 1, 1, 2, 2, 2, 2], [5, 5, 5, 5, 5, 5, 3, 3, 5]];
const SETUPS: [string, Setup][] = [
  ['from nothing', {}], ['from a state', { seen: [3, 70] }], ['two readouts', { channels: 2, seen: [1, 2] }], ['backward', { alpha: 1, seen: [1, 5] }], ['forward, few coefficients', { alpha: 0, stateSize: 2, seen: [9, 50] }],
  ...[1, 2, 3, 63, 64, 65, 257].map((length): [string, Setup] => [`length ${length}`, { length, batch: 1, heads: 2 }]), ['length 4500', { length: 4500, batch: 1, heads: 1, stateSize: 2 }],
  ...[1, 8, 9, 17].map((heads): [string, Setup] => [`${heads} channels`, { heads, seen: [4, 5] }]), ['one coefficient', { stateSize: 1 }], ['64 coefficients', { stateSize: 64, heads: 2, seen: [1, 100] }],
  ['values of 1e4', { scale: 1e4 }], ['lengths', { sequence: { lengths: [9, 0] }, seen: [2, 3] }], ['a mask with holes', { sequence: { mask: HOLES } }],
  ['packed segments', { sequence: { segments: PACKED }, seen: [2, 3] }], ['packed segments with holes', { sequence: { segments: PACKED, mask: HOLES }, channels: 2, seen: [2, 3] }],
];

describe('LegS memory in float64', () => {
  it('is the memory of math', () => {
    const f = new SeededValues(1).normal(20), c = Float64Array.from({ length: 36 }, (_, i) => (i % 7 === 0 ? 1 : 0)); // identity of 6
    for (const [alpha, method] of [[0, 'forward'], [0.5, 'bilinear'], [1, 'backward']] as const) {
      const { y } = legsForwardReference({ batch: 1, length: 20, heads: 1, stateSize: 6, channels: 6, alpha, u: f, c });
      const expected = legsMemory(f, 6, method);
      expect(Math.max(...y.map((value, i) => Math.abs(value - expected[i]!))) / Math.max(...expected.map(Math.abs))).toBeLessThan(1e-12);
    }
  });

  it('has the gradients of central differences', () => {
    const { inputs, given } = makeExample({ length: 6, heads: 2, stateSize: 3, channels: 2, seen: [2, 0], sequence: { mask: HOLES.map((row) => row.slice(0, 6)), segments: PACKED.map((row) => row.slice(0, 6)) } });
    const random = new SeededValues(2), { y, final } = legsForwardReference(given), dy = random.normal(y.length), dFinal = random.normal(final.length);
    const loss = (): number => {
      const result = legsForwardReference(given);
      return result.y.reduce((sum, value, i) => sum + value * dy[i]!, 0) + result.final.reduce((sum, value, i) => sum + value * dFinal[i]!, 0);
    };
    const g = legsBackwardReference(given, dy, dFinal);
    expectGradient('u', g.du, loss, inputs['u']!.values);
    expectGradient('c', g.dc, loss, inputs['c']!.values);
    expectGradient('state', g.dInitial, loss, inputs['state']!.values);
  });
});

describe.each(variants)('legsScan on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each(SETUPS)('equals the float64 reference: %s', (_label, setup) => {
    const { inputs, given, run } = makeExample(setup), { y, final } = legsForwardReference(given);
    checkOperation({
      tf, inputs,
      run: (t) => {
        const { output, state } = run(t);
        return { output, state: state.memory };
      },
      expected: { output: y, state: final },
      expectedGradients: (slopes) => {
        const g = legsBackwardReference(given, slopes['output']!, slopes['state']);
        return { u: g.du, c: g.dc, state: g.dInitial };
      },
    });
  });

  it('gives one result whole, in chunks, and step by step', () => {
    const { inputs } = makeExample({ length: 21 }), random = new SeededValues(8);
    tf.tidy(() => {
      const t = tensorsOf(tf, inputs), whole = legsScan(t['u']!, t['c']!), slice = (from: number, to: number): Tensor => tf.slice(t['u']!, [0, from], [2, to - from]);
      let state = legsScan(slice(0, 1), t['c']!).state;
      const outputs = [legsScan(slice(0, 1), t['c']!).output], steps = [tf.squeeze(outputs[0]!, [1])];
      let current = state;
      for (let from = 1; from < 21;) {
        const to = Math.min(21, from + random.integer(1, 6)), part = legsScan(slice(from, to), t['c']!, { state });
        outputs.push(part.output);
        state = part.state;
        from = to;
      }
      for (let at = 1; at < 21; at++) {
        const next = legsScanStep(current, tf.squeeze(slice(at, at + 1), [1]), t['c']!);
        steps.push(next.output);
        current = next.state;
      }
      expectTensorClose(tf.concat(outputs, 1), whole.output, { kind: 'output' });
      expectTensorClose(tf.stack(steps, 1), whole.output, { kind: 'output' });
      expectTensorClose(state.memory, whole.state.memory, { kind: 'state' });
      expect([...state.steps.dataSync(), ...current.steps.dataSync()]).toEqual([21, 21, 21, 21]);
    });
  });

  it('what stands in a masked step does not matter; NaN stays in its channel', () => {
    tf.tidy(() => {
      const { inputs, run } = makeExample({ sequence: { mask: HOLES } }), t = tensorsOf(tf, inputs);
      const poisoned = tf.tensor(Float32Array.from(inputs['u']!.values, (value, i) => (HOLES[Math.floor(i / 45)]![Math.floor(i / 5) % 9] ? value : Number.NaN)), [2, 9, 5], 'float32');
      expect([...run(t, poisoned).output.dataSync()]).toEqual([...run(t).output.dataSync()]);
      const output = legsScan(tf.tensor([1, Number.NaN, 1, 1], [1, 2, 2]), tf.ones([1, 2, 3])).output.dataSync();
      expect([...output].map(Number.isFinite)).toEqual([true, false, true, false]);
    });
  });
});

it('legsScan says what is wrong', () => {
  expect(() => legsScan(tf.zeros([1, 2, 3]), tf.zeros([1, 4, 2]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: legsScan: c has shape [1, 4, 2], expected [1, 3, 2] ([C, H, N], H as u). Give one row of coefficients for each channel.]`);
  expect(() => legsScan(tf.zeros([1, 2, 3]), tf.zeros([1, 3, 2]), { alpha: 2 })).toThrow('alpha is 2');
  expect(() => legsScan(tf.zeros([1, 2, 3]), tf.zeros([1, 3, 2]), { state: { memory: tf.zeros([1, 3, 2]), steps: tf.zeros([1]) } })).toThrow('expected int32 [1]');
});
