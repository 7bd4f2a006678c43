import { backendMatrix, checkOperation, expectGradient, expectTensorClose, kernelVariants, poisonOutputs, SeededValues, tensorsOf } from '@mamba360/testing';
import type { NamedArray } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { GradientError, StateError } from '../../errors/index.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { attentionRows, rotationTable } from './attention-rows.ts';
import { attention, attentionStep } from './index.ts';
import type { AttentionOptions, AttentionState } from './index.ts';
import { attentionBackwardReference, attentionForwardReference } from './reference.ts';
import type { AttentionInputs } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

interface Setup {
  readonly batch?: number; readonly length?: number; readonly heads?: number; readonly groups?: number; readonly keyWidth?: number; readonly valueWidth?: number; readonly scale?: number;
  readonly causal?: boolean; readonly window?: number; readonly maximumLength?: number;
  /** Steps before the call, of each sequence. */
  readonly positions?: readonly number[];
  readonly rotary?: { readonly width: number; readonly interleaved: boolean };
  readonly sequence?: SequenceOptions;
}
interface Example { readonly inputs: Record<string, NamedArray>; readonly reference: AttentionInputs; readonly options: AttentionOptions; readonly positions: readonly number[]; readonly capacity: number }

function makeExample({ batch = 2, length = 9, heads = 2, groups = heads, keyWidth = 4, valueWidth = 3, scale = 1, causal = true, window, maximumLength, positions, rotary, sequence = {} }: Setup): Example {
  const random = new SeededValues(21);
  const normal = (shape: number[], deviation = 1): NamedArray => ({ shape, values: random.normal(shape.reduce((a, b) => a * b, 1), deviation) });
  const capacity = causal ? (window === undefined ? (maximumLength ?? 0) : window - 1) : 0;
  const before = positions ?? Array.from({ length: batch }, () => 0);
  const state = { keys: normal([batch, capacity, groups, keyWidth]), values: normal([batch, capacity, groups, valueWidth]) };
  const inputs: Record<string, NamedArray> = {
    q: normal([batch, length, heads, keyWidth], scale), k: normal([batch, length, groups, keyWidth], scale), v: normal([batch, length, groups, valueWidth], scale), ...(positions ? state : {}),
  };
  const control = controlBytes('test', batch, length, sequence);
  const view = attentionRows({ batch, length, control, causal, window: window ?? Infinity, capacity, drops: window !== undefined || capacity === 0, positions: before });
  const table = rotary ? rotationTable(view.angles, rotary.width, 100) : { cosine: null, sine: null };
  return {
    inputs, positions: before, capacity,
    options: { causal, window, ...(window === undefined && !positions ? { maximumLength } : {}), ...(rotary ? { rotary: { base: 100, ...rotary } } : {}), ...sequence },
    reference: {
      batch, length, heads, groups, keyWidth, valueWidth, capacity, scale: 1 / Math.sqrt(keyWidth), rotary: rotary?.width ?? 0, interleaved: rotary?.interleaved ?? false,
      q: inputs['q']!.values, k: inputs['k']!.values, v: inputs['v']!.values, keys: inputs['keys']?.values, values: inputs['values']?.values, rows: view.rows, counts: view.counts, ...table,
    },
  };
}

const run = (t: Record<string, Tensor>, { options, positions }: Pick<Example, 'options' | 'positions'>) => attention(t['q']!, t['k']!, t['v']!, {
  ...options, ...(t['keys'] ? { state: { keys: t['keys'], values: t['values']!, position: tf.tensor1d([...positions], 'int32') } } : {}),
});

const HOLES = [[true, false, true, true, false, false, true, true, true], [false, false, true, false, true, true, true, true, false]];
const PACKED = [[0, 0, 0, 1, 1, 2, 2, 2, 2], [5, 5, 5, 5, 5, 5, 3, 3, 5]];
const FULL = { width: 4, interleaved: false };

const SETUPS: [string, Setup][] = [
  ['causal, no state', {}], ['both sides', { causal: false }], ['a growing state', { maximumLength: 12 }], ['a growing state, begun', { maximumLength: 20, positions: [5, 11] }],
  ['a window', { window: 4 }], ['a window, begun', { window: 4, positions: [2, 100] }], ['a window of 1', { window: 1 }],
  ['a window to both sides', { causal: false, window: 3 }], ['grouped heads', { heads: 6, groups: 2 }], ['one group', { heads: 3, groups: 1, maximumLength: 20, positions: [3, 0] }],
  ['rotation', { rotary: FULL, maximumLength: 20, positions: [5, 11] }], ['interleaved rotation', { rotary: { width: 4, interleaved: true }, window: 5, positions: [2, 1000] }],
  ['rotation of a part', { keyWidth: 6, rotary: FULL }],
  ...[1, 2, 3, 63, 64, 65, 257].map((length): [string, Setup] => [`length ${length}`, { length, batch: 1, heads: 1, rotary: FULL }]),
  ...[1, 63, 64, 65].map((before): [string, Setup] => [`${before} steps before`, { length: 5, batch: 1, maximumLength: 80, positions: [before] }]),
  ['a long window', { length: 150, batch: 1, window: 70, positions: [40] }], ['both sides, long', { length: 130, batch: 1, causal: false }],
  ...[1, 15, 16, 17, 33].map((width): [string, Setup] => [`keys of ${width}, values of ${width + 1}`, { keyWidth: width, valueWidth: width + 1 }]),
  ['values of 1e4', { scale: 1e4 }], ['values of 1e-4', { scale: 1e-4 }],
  ['lengths', { sequence: { lengths: [9, 0] }, maximumLength: 20, positions: [1, 3] }], ['a mask with holes', { sequence: { mask: HOLES }, rotary: FULL, window: 3, positions: [1, 9] }],
  ['packed segments', { sequence: { segments: PACKED }, rotary: FULL, maximumLength: 12, positions: [2, 4] }],
  ['packed segments with holes', { sequence: { segments: PACKED, mask: HOLES }, window: 3, positions: [2, 4] }], ['packed segments with holes, both sides', { sequence: { segments: PACKED, mask: HOLES }, causal: false }],
];

describe('attention in float64', () => {
  it.each(SETUPS.filter(([, { length = 9, scale = 1 }]) => length <= 9 && scale === 1))('gradients: %s', (_label, setup) => {
    const { inputs, reference } = makeExample({ ...setup, heads: setup.groups === 1 ? 2 : 2, groups: setup.groups === 1 ? 1 : 2, keyWidth: Math.min(setup.keyWidth ?? 4, 6), valueWidth: 2 });
    const random = new SeededValues(7);
    const first = attentionForwardReference(reference);
    const slopes = [first.y, first.finalKeys, first.finalValues].map((values) => random.normal(values.length));
    const loss = (): number => {
      const { y, finalKeys, finalValues } = attentionForwardReference(reference);
      return [y, finalKeys, finalValues].reduce((sum, values, i) => sum + values.reduce((part, value, j) => part + value * slopes[i]![j]!, 0), 0);
    };
    const g = attentionBackwardReference(reference, slopes[0]!, slopes[1]!, slopes[2]!);
    for (const [name, gradient] of [['q', g.dq], ['k', g.dk], ['v', g.dv], ['keys', g.dKeys], ['values', g.dValues]] as const) {
      if ((inputs[name]?.values.length ?? 0) > 0) expectGradient(name, gradient, loss, inputs[name]!.values);
    }
  });

  it('by hand: scores log 3 and 0, and a rotation by a quarter', () => {
    const view = attentionRows({ batch: 1, length: 2, control: null, causal: true, window: Infinity, capacity: 0, drops: true, positions: [0] });
    const base = { batch: 1, length: 2, heads: 1, groups: 1, keyWidth: 1, valueWidth: 1, capacity: 0, scale: 1, rotary: 0, interleaved: false, rows: view.rows, counts: view.counts };
    expect([...attentionForwardReference({ ...base, q: [1, 1], k: [Math.log(3), 0], v: [4, 8] }).y].map((value) => value.toFixed(12))).toEqual(['4.000000000000', '5.000000000000']);
    const turned = attentionForwardReference({ ...base, keyWidth: 2, rotary: 2, cosine: [1, 0], sine: [0, 1], q: [0, 0, 0, 1], k: [Math.log(3), 0, 0, 0], v: [4, 8] });
    // (0, 1) a quarter on is (-1, 0): the first key scores -log 3.
    expect(turned.y[1]).toBeCloseTo((4 / 3 + 8) / (4 / 3), 12);
  });
});

describe.each(variants)('attention on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each(SETUPS)('equals the float64 reference: %s', (_label, setup) => {
    const example = makeExample(setup);
    const { y, finalKeys, finalValues } = attentionForwardReference(example.reference);
    const hasState = setup.causal !== false && (setup.window ?? setup.maximumLength) !== undefined;
    checkOperation({
      tf, inputs: example.inputs,
      run: (t) => {
        const { output, state } = run(t, example);
        return { output, ...(state ? { 'state.keys': state.keys, 'state.values': state.values } : {}) };
      },
      expected: { output: y, ...(hasState ? { 'state.keys': finalKeys, 'state.values': finalValues } : {}) },
      expectedGradients: (slopes) => {
        const g = attentionBackwardReference(example.reference, slopes['output']!, slopes['state.keys'], slopes['state.values']);
        return { q: g.dq, k: g.dk, v: g.dv, keys: g.dKeys, values: g.dValues };
      },
    });
  });

  it.each([['a growing state', { maximumLength: 70 }], ['a window', { window: 5 }]] as const)('gives one result whole, in chunks at random places, and step by step: %s', (_label, kind) => {
    const example = makeExample({ length: 70, rotary: FULL, groups: 1, ...kind });
    const random = new SeededValues(8);
    tf.tidy(() => {
      const t = tensorsOf(tf, example.inputs);
      const whole = run(t, example);
      const part = (name: string, from: number, count: number): Tensor => tf.slice(t[name]!, [0, from, 0, 0], [2, count, -1, -1]);
      const same = (outputs: Tensor[], state: AttentionState): void => {
        expectTensorClose(tf.concat(outputs, 1), whole.output, { kind: 'output' });
        for (const leaf of ['keys', 'values'] as const) expectTensorClose(state[leaf], whole.state![leaf], { kind: 'state', name: leaf });
        expect([...state.position.dataSync()]).toEqual([70, 70]);
      };
      let state: AttentionState | undefined;
      let outputs: Tensor[] = [];
      for (let from = 0; from < 70;) {
        const count = Math.min(70 - from, random.integer(1, 9));
        const result = attention(part('q', from, count), part('k', from, count), part('v', from, count), { ...example.options, ...(state && { state, maximumLength: undefined }) });
        outputs.push(result.output);
        state = result.state;
        from += count;
      }
      same(outputs, state!);
      state = { keys: tf.zeros([2, example.capacity, 1, 4]), values: tf.zeros([2, example.capacity, 1, 3]), position: tf.zeros([2], 'int32') };
      outputs = [];
      for (let at = 0; at < 70; at++) {
        const step = attentionStep(state, ...(['q', 'k', 'v'].map((one) => tf.squeeze(part(one, at, 1), [1])) as [Tensor, Tensor, Tensor]), { window: example.options.window, rotary: example.options.rotary });
        outputs.push(tf.expandDims(step.output, 1));
        state = step.state;
      }
      same(outputs, state);
      if (!example.options.window) expect([...tf.concat(outputs, 1).dataSync()]).toEqual([...whole.output.dataSync()]);
    });
  });

  it('a NaN reaches exactly the queries that see it, -inf scores are 0 weights', () => {
    tf.tidy(() => {
      const ones = tf.ones([1, 6, 1, 1]);
      const v = tf.tensor([1, 1, Number.NaN, 1, 1, 1], [1, 6, 1, 1]);
      const seen = (options: AttentionOptions): boolean[] => [...attention(ones, ones, v, options).output.dataSync()].map(Number.isNaN);
      expect(seen({})).toEqual([false, false, true, true, true, true]);
      expect(seen({ window: 2 })).toEqual([false, false, true, true, false, false]);
      expect(seen({ mask: [[true, true, false, true, true, true]] })).toEqual([false, false, false, false, false, false]);
      expect(seen({ segments: [[0, 0, 0, 1, 1, 1]] })).toEqual([false, false, true, false, false, false]);
      expect(seen({ causal: false, segments: [[0, 0, 1, 1, 2, 2]] })).toEqual([false, false, true, true, false, false]);
      const [dq, dk, dv] = tf.grads((...[a, b, c]: Tensor[]) => tf.sum(attention(a!, b!, c!, { window: 2 }).output))([ones, tf.ones([1, 6, 1, 1]), v]);
      expect([...dq!.dataSync()].map(Number.isNaN)).toEqual([false, false, true, true, false, false]);
      expect([...dk!.dataSync()].map(Number.isNaN)).toEqual([false, true, true, true, false, false]);
      expect([...dv!.dataSync()].some(Number.isNaN)).toBe(false);
      const keys = tf.tensor([-Infinity, 0, 0], [1, 3, 1, 1]);
      expect([...attention(tf.ones([1, 3, 1, 1]), keys, tf.tensor([9, 2, 4], [1, 3, 1, 1]), { causal: false }).output.dataSync()]).toEqual([3, 3, 3]);
    });
  });

  it('refuses to grow beyond its declared length, takes an empty batch, refuses a second gradient', () => {
    tf.tidy(() => {
      const t = (length: number, batch = 1): Tensor => tf.zeros([batch, length, 1, 2]);
      const { state } = attention(t(3), t(3), t(3), { maximumLength: 4 });
      expect(attention(t(1), t(1), t(1), { state }).state!.position.dataSync()[0]).toBe(4);
      expect(() => attention(t(2), t(2), t(2), { state })).toThrow(StateError);
      const alone = attention(t(2), t(2), t(2), { window: 1 });
      expect(attention(t(3), t(3), t(3), { window: 1, state: alone.state }).state!.position.dataSync()[0]).toBe(5);
      expect(attention(t(3, 0), t(3, 0), t(3, 0), { maximumLength: 4 }).state!.keys.shape).toEqual([0, 4, 1, 2]);
      const inner = (x: Tensor): Tensor => tf.grad((y: Tensor) => tf.sum(attention(y, t(3), t(3)).output))(x);
      expect(() => tf.grad((x: Tensor) => tf.sum(inner(x)))(tf.ones([1, 3, 1, 2]))).toThrow(GradientError);
    });
  });
});

it('attention says what is wrong', () => {
  const t = (shape: number[]): Tensor => tf.zeros(shape);
  const ok = t([2, 5, 4, 6]);
  expect(() => attention(t([2, 5, 6]), ok, ok)).toThrowErrorMatchingInlineSnapshot(`[ShapeError: attention: q has shape [2, 5, 6], expected 4 axes ([B, L, H, K]). Split the heads first: tf.reshape(q, [B, L, H, K]).]`);
  expect(() => attention(ok, t([2, 5, 3, 6]), ok)).toThrowErrorMatchingInlineSnapshot(`[ShapeError: attention: q has 4 heads and k 3 groups, expected G to divide H. Give each group of keys the same number of heads.]`);
  expect(() => attention(ok, t([2, 5, 2, 5]), t([2, 5, 2, 6]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: attention: k has shape [2, 5, 2, 5], expected [2, 5, 2, 6] ([B, L, G, K]). Give one key for each step and group, as wide as a query.]`);
  expect(() => attention(ok, ok, t([2, 5, 2, 6]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: attention: v has shape [2, 5, 2, 6], expected [2, 5, 4, 6] ([B, L, G, V]). Give one value for each key.]`);
  expect(() => attention(ok, ok, ok, { window: 0 })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: attention: window is 0, expected a whole number of at least 1. Leave it out to see everything.]`);
  expect(() => attention(ok, ok, ok, { causal: false, maximumLength: 5 })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: attention: causal is false and maximumLength was given, expected neither: attention to both sides has no state. Give the whole sequence at once.]`);
  expect(() => attention(ok, ok, ok, { rotary: { width: 5 } })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: attention: rotary.width is 5, expected an even number from 2 to 6 (K). Give each head an even width, or turn a part of it.]`);
  expect(() => attention(ok, ok, ok, { maximumLength: 4 })).toThrowErrorMatchingInlineSnapshot(`[StateError: attention: sequence 0 has 5 steps, expected at most 4, the declared maximum length. Declare a larger maximumLength, or give a window, whose state never grows.]`);
  expect(() => attention(ok, ok, ok, { state: { keys: t([1, 9, 4, 6]), values: t([2, 9, 4, 6]), position: tf.zeros([2], 'int32') } })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: attention: state.keys has shape [1, 9, 4, 6], expected [2, 9, 4, 6] ([B, M, G, K]). Pass the state that an earlier call with the same batch and options returned.]`);
  expect(() => attentionStep({ keys: t([2, 9, 4, 6]), values: t([2, 9, 4, 6]), position: tf.zeros([2], 'int32') }, ok, ok, ok)).toThrowErrorMatchingInlineSnapshot(`[ShapeError: attentionStep: q has shape [2, 5, 4, 6], expected 3 axes ([B, H, K]). Pass one step of each sequence, without the L axis.]`);
});
