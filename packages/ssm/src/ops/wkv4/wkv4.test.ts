import { backendMatrix, checkOperation, expectGradient, expectTensorClose, kernelVariants, poisonOutputs, SeededValues, tensorsOf } from '@mamba360/testing';
import type { NamedArray } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { GradientError } from '../../errors/index.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { wkv4, wkv4Step } from './index.ts';
import type { Wkv4State } from './index.ts';
import { wkv4BackwardReference, wkv4ForwardReference } from './reference.ts';
import type { Wkv4Inputs } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

interface Setup {
  readonly batch?: number; readonly length?: number; readonly channels?: number; readonly state?: 'none' | 'seen' | 'some empty';
  readonly values?: number; readonly keys?: number; readonly decay?: number; readonly sequence?: SequenceOptions;
}
interface Example { readonly inputs: Record<string, NamedArray>; readonly reference: Wkv4Inputs; readonly sequence: SequenceOptions }

function makeExample({ batch = 2, length = 9, channels = 5, state = 'seen', values = 1, keys = 1, decay = 1, sequence = {} }: Setup): Example {
  const random = new SeededValues(26);
  const normal = (shape: number[], deviation = 1): NamedArray => ({ shape, values: random.normal(shape.reduce((a, b) => a * b, 1), deviation) });
  const inputs: Record<string, NamedArray> = {
    k: normal([batch, length, channels], keys), v: normal([batch, length, channels], values),
    decay: { shape: [channels], values: random.normal(channels, decay).map((x) => -Math.abs(x)) }, bonus: normal([channels], keys),
  };
  if (state !== 'none') {
    inputs['numerator'] = normal([batch, channels], values);
    inputs['denominator'] = { shape: [batch, channels], values: random.between(batch * channels, 0.5, 2).map((x, i) => (state === 'some empty' && i % 2 ? (i % 3) - 1 : x)) };
    inputs['maximum'] = normal([batch, channels], keys);
  }
  const given = (name: string): Float64Array | undefined => inputs[name]?.values;
  return {
    inputs, sequence,
    reference: {
      batch, length, channels, k: given('k')!, v: given('v')!, decay: given('decay')!, bonus: given('bonus')!,
      initialNumerator: given('numerator'), initialDenominator: given('denominator'), initialMaximum: given('maximum'),
      control: controlBytes('test', batch, length, sequence),
    },
  };
}

const stateOf = (t: Record<string, Tensor>): Wkv4State | undefined =>
  (t['numerator'] ? { numerator: t['numerator'], denominator: t['denominator']!, maximum: t['maximum']! } : undefined);
const named = (state: Wkv4State): Record<string, Tensor> => Object.fromEntries(Object.entries(state).map(([name, tensor]) => [`state.${name}`, tensor as Tensor]));

const HOLES = [[true, false, true, true, false, false, true, true, true], [false, false, true, false, true, true, true, true, false]];
const PACKED = [[0, 0, 0, 1, 1, 2, 2, 2, 2], [5, 5, 5, 5, 5, 5, 3, 3, 5]];

const SETUPS: [string, Setup][] = [
  ...(['none', 'seen', 'some empty'] as const).map((state): [string, Setup] => [`state ${state}`, { state }]),
  ...[1, 2, 3, 63, 64, 65, 257].map((length): [string, Setup] => [`length ${length}`, { length, batch: 1 }]),
  ...[1, 16, 33, 64, 130].map((channels): [string, Setup] => [`${channels} channels`, { channels, length: 5 }]),
  ['a batch of 5', { batch: 5, length: 4 }],
  ['values of 1e4', { values: 1e4 }],
  ['keys of 30', { keys: 30 }],
  ['hardly any decay', { decay: 1e-6 }],
  ['strong decay', { decay: 60 }],
  ['lengths', { sequence: { lengths: [9, 0] } }],
  ['a mask with holes', { sequence: { mask: HOLES } }],
  ['packed segments with holes', { state: 'some empty', sequence: { segments: PACKED, mask: HOLES } }],
];

describe('wkv4 in float64', () => {
  it.each([{}, { segments: PACKED.map((row) => row.slice(1, 6)), mask: HOLES.map((row) => row.slice(0, 5)) }])('gradients, %j', (sequence) => {
    const { inputs, reference } = makeExample({ length: 5, state: 'seen', sequence });
    const random = new SeededValues(7);
    const names = ['output', 'numerator', 'denominator', 'maximum'] as const;
    const first = wkv4ForwardReference(reference);
    const slopes = Object.fromEntries(names.map((name) => [name, random.normal(first[name].length)])) as Record<(typeof names)[number], Float64Array>;
    const loss = (): number => {
      const result = wkv4ForwardReference(reference);
      return names.reduce((sum, name) => sum + result[name].reduce((part, value, i) => part + value * slopes[name][i]!, 0), 0);
    };
    const g = wkv4BackwardReference(reference, slopes);
    for (const [name, { values }] of Object.entries(inputs)) expectGradient(name, g[name as keyof typeof g], loss, values);
  });

  it('is the weighted mean by its definition', () => {
    const { reference } = makeExample({ batch: 1, length: 6, channels: 1, state: 'none' });
    const { k, v, decay, bonus } = reference;
    const { output } = wkv4ForwardReference(reference);
    for (let t = 0; t < 6; t++) {
      let above = Math.exp(bonus[0]! + k[t]!) * v[t]!, below = Math.exp(bonus[0]! + k[t]!);
      for (let i = 0; i < t; i++) {
        const weight = Math.exp((t - 1 - i) * decay[0]! + k[i]!);
        above += weight * v[i]!;
        below += weight;
      }
      expect(output[t]).toBeCloseTo(above / below, 12);
    }
  });
});

describe.each(variants)('wkv4 on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each(SETUPS)('equals the float64 reference: %s', (_label, setup) => {
    const { inputs, reference, sequence } = makeExample(setup);
    const { output, numerator, denominator, maximum } = wkv4ForwardReference(reference);
    checkOperation({
      tf, inputs,
      run: (t) => {
        const result = wkv4(t['k']!, t['v']!, t['decay']!, t['bonus']!, { state: stateOf(t), ...sequence });
        return { output: result.output, ...named(result.state) };
      },
      expected: { output, 'state.numerator': numerator, 'state.denominator': denominator, 'state.maximum': maximum },
      expectedGradients: (slopes) => wkv4BackwardReference(reference, {
        output: slopes['output']!, numerator: slopes['state.numerator'], denominator: slopes['state.denominator'], maximum: slopes['state.maximum'],
      }),
    });
  });

  it('gives one result whole, in chunks at random places, and step by step', () => {
    const { inputs } = makeExample({ length: 19 });
    const random = new SeededValues(8);
    tf.tidy(() => {
      const t = tensorsOf(tf, inputs);
      const [k, v, decay, bonus] = [t['k']!, t['v']!, t['decay']!, t['bonus']!];
      const whole = wkv4(k, v, decay, bonus, { state: stateOf(t) });
      const part = (x: Tensor, from: number, to: number): Tensor => tf.slice(x, [0, from], [2, to - from]);
      const same = (output: Tensor, state: Wkv4State): void => {
        expectTensorClose(output, whole.output, { kind: 'output' });
        for (const [key, tensor] of Object.entries(named(state))) expectTensorClose(tensor, named(whole.state)[key]!, { kind: 'state', name: key });
      };
      let state = stateOf(t)!;
      let outputs: Tensor[] = [];
      for (let from = 0; from < 19;) {
        const to = Math.min(19, from + random.integer(1, 6));
        const result = wkv4(part(k, from, to), part(v, from, to), decay, bonus, { state });
        outputs.push(result.output);
        state = result.state;
        from = to;
      }
      same(tf.concat(outputs, 1), state);
      state = stateOf(t)!;
      outputs = [];
      for (let at = 0; at < 19; at++) {
        const result = wkv4Step(state, tf.squeeze(part(k, at, at + 1), [1]), tf.squeeze(part(v, at, at + 1), [1]), decay, bonus);
        outputs.push(result.output);
        state = result.state;
      }
      same(tf.stack(outputs, 1), state);
    });
  });

  it('passes NaN on, ignores it at masked steps, forgets at infinite keys, takes an empty batch, refuses a second gradient', () => {
    tf.tidy(() => {
      const decay = tf.tensor1d([-1]), bonus = tf.tensor1d([0]);
      const zeros = tf.zeros([1, 4, 1]), hole = tf.tensor([1, Number.NaN, 1, 1], [1, 4, 1]);
      for (const [k, v] of [[hole, zeros], [zeros, hole]] as const) {
        expect([...wkv4(k, v, decay, bonus).output.dataSync()].map(Number.isNaN)).toEqual([false, true, true, true]);
        expect([...wkv4(k, v, decay, bonus, { mask: [[true, false, true, true]] }).output.dataSync()].every(Number.isFinite)).toBe(true);
      }
      const absent = wkv4(tf.tensor([0, -Infinity, 0, 0], [1, 4, 1]), tf.tensor([5, 7, 5, 5], [1, 4, 1]), decay, bonus);
      for (const value of absent.output.dataSync()) expect(value).toBeCloseTo(5, 5);
      expect(wkv4(tf.zeros([0, 4, 1]), tf.zeros([0, 4, 1]), decay, bonus).state.maximum.shape).toEqual([0, 1]);
      const inner = (value: Tensor): Tensor => tf.grad((k: Tensor) => tf.sum(wkv4(k, zeros, decay, bonus).output))(value);
      expect(() => tf.grad((value: Tensor) => tf.sum(inner(value)))(tf.ones([1, 4, 1]))).toThrow(GradientError);
    });
  });
});

it('wkv4 says what is wrong', () => {
  const t = (...shape: number[]): Tensor => tf.zeros(shape);
  expect(() => wkv4(t(2, 5), t(2, 5), t(5), t(5))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: wkv4: k has shape [2, 5], expected 3 axes ([B, L, E]). Add a batch axis of 1 to a single sequence with tf.expandDims(x, 0).]`);
  expect(() => wkv4(t(2, 5, 3), t(2, 5, 4), t(3), t(3))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: wkv4: v has shape [2, 5, 4], expected [2, 5, 3] ([B, L, E], as k). If your data is channels first, transpose it.]`);
  expect(() => wkv4(t(2, 5, 3), t(2, 5, 3), t(4), t(3))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: wkv4: decay has shape [4], expected [3] ([E]). Give one value for each channel of k.]`);
  expect(() => wkv4(t(2, 5, 3), t(2, 5, 3), t(3), t(1, 3))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: wkv4: bonus has shape [1, 3], expected [3] ([E]). Give one value for each channel of k.]`);
  expect(() => wkv4(t(2, 5, 3), t(2, 5, 3), t(3), t(3), { state: { numerator: t(2, 3), denominator: t(2, 3), maximum: t(1, 3) } })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: wkv4: state.maximum has shape [1, 3], expected [2, 3] ([B, E]). Pass the state that an earlier call with the same batch returned.]`);
  expect(() => wkv4Step({ numerator: t(2, 3), denominator: t(2, 3), maximum: t(2, 3) }, t(2, 1, 3), t(2, 3), t(3), t(3))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: wkv4Step: k has shape [2, 1, 3], expected 2 axes ([B, E]). Pass one step of each sequence, without the L axis.]`);
});
