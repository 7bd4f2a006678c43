import { backendMatrix, checkOperation, expectGradient, expectTensorClose, kernelVariants, poisonOutputs, SeededValues, tensorsOf } from '@mamba360/testing';
import type { NamedArray } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { GradientError } from '../../errors/index.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { gatedLinearAttention, gatedLinearAttentionStep } from './index.ts';
import type { GatedLinearAttentionOptions, GatedLinearAttentionState } from './index.ts';
import { gatedLinearAttentionBackwardReference, gatedLinearAttentionForwardReference } from './reference.ts';
import type { DecayKind, GatedLinearAttentionInputs, NormaliserKind } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

type Rule = 'plain' | 'bonus' | 'delta' | 'rankOne' | 'gated';
interface Setup {
  readonly batch?: number; readonly length?: number; readonly heads?: number; readonly keyWidth?: number; readonly valueWidth?: number;
  readonly decay?: DecayKind; readonly rule?: Rule; readonly normaliser?: NormaliserKind; readonly state?: boolean; readonly scale?: number;
  /** Deviation of the logarithm of what a step keeps, and of the input gate. */
  readonly strength?: number; readonly sequence?: SequenceOptions;
}
interface Example { readonly inputs: Record<string, NamedArray>; readonly reference: GatedLinearAttentionInputs; readonly options: GatedLinearAttentionOptions; readonly gated: boolean }

function makeExample({ batch = 2, length = 9, heads = 2, keyWidth = 3, valueWidth = 4, decay = 'stepKey', rule = 'plain', normaliser = 'none', state = true, scale = 1, strength = 1, sequence = {} }: Setup): Example {
  const random = new SeededValues(16);
  const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
  const normal = (shape: number[], deviation = 1): NamedArray => ({ shape, values: random.normal(size(shape), deviation) });
  const negative = (shape: number[]): NamedArray => ({ shape, values: random.normal(size(shape), strength).map((x) => -Math.abs(x)) });
  const keys = [batch, length, heads, keyWidth], steps = [batch, length, heads];
  const unit = 1 / Math.sqrt(keyWidth);
  const decayShape = { none: [], head: [heads], headKey: [heads, keyWidth], step: steps, stepKey: keys }[decay];
  const keyScale = rule === 'delta' || rule === 'gated' ? 1 : scale; // the delta rule needs short keys; a normaliser divides long ones away
  const positive = normaliser === 'sum'; // a sum of products of any sign comes near 0
  const absolute = (array: NamedArray): NamedArray => (positive ? { shape: array.shape, values: array.values.map((x) => Math.abs(x) + 0.1) } : array);
  const inputs: Record<string, NamedArray> = {
    q: absolute(normal(keys, unit * keyScale)), k: absolute(normal(keys, unit * keyScale)), v: normal([batch, length, heads, valueWidth], scale),
    ...(decay !== 'none' ? { decay: negative([...decayShape]) } : {}),
    ...(rule === 'bonus' ? { bonus: normal([heads, keyWidth]) } : {}),
    ...(rule === 'delta' ? { beta: { shape: steps, values: random.between(size(steps), 0, 1) } } : {}),
    ...(rule === 'rankOne' ? { a: normal(keys, unit), b: normal(keys, unit) } : {}),
    ...(rule === 'gated' ? { inputGate: normal(steps, 2 * strength) } : {}),
    ...(state ? { matrix: normal([batch, heads, keyWidth, valueWidth]) } : {}),
    ...(state && normaliser !== 'none' ? { normaliser: absolute(normal([batch, heads, keyWidth])) } : {}),
    ...(state && rule === 'gated' ? { maximum: normal([batch, heads]) } : {}),
  };
  const values = (name: string): Float64Array | undefined => inputs[name]?.values;
  const gated = rule === 'gated';
  const epsilon = normaliser === 'sum' ? 1e-10 : 1e-6;
  return {
    inputs, gated,
    options: { scale: 0.7, epsilon, ...(normaliser !== 'none' && { normaliser }), ...sequence },
    reference: {
      batch, length, heads, keyWidth, valueWidth, decayKind: decay, normaliser, scale: 0.7, epsilon,
      q: values('q')!, k: values('k')!, v: values('v')!, decay: values('decay'), bonus: values('bonus'), beta: values('beta'), a: values('a'), b: values('b'),
      inputGate: values('inputGate'), initialState: values('matrix'), initialNormaliser: values('normaliser'), initialMaximum: values('maximum'),
      control: controlBytes('test', batch, length, sequence),
    },
  };
}

const attend = (t: Record<string, Tensor>, options: GatedLinearAttentionOptions) => gatedLinearAttention(t['q']!, t['k']!, t['v']!, {
  decay: t['decay'], bonus: t['bonus'], beta: t['beta'], a: t['a'], b: t['b'], inputGate: t['inputGate'],
  ...(t['matrix'] && { state: { matrix: t['matrix'], normaliser: t['normaliser'], maximum: t['maximum'] } }), ...options,
});

const named = (state: GatedLinearAttentionState): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(state).map(([name, tensor]) => [`state.${name}`, tensor as Tensor]));

const HOLES = [[true, false, true, true, false, false, true, true, true], [false, false, true, false, true, true, true, true, false]];
const PACKED = [[0, 0, 0, 1, 1, 2, 2, 2, 2], [5, 5, 5, 5, 5, 5, 3, 3, 5]];

const RULES: [string, Setup][] = [
  ...(['none', 'head', 'headKey', 'step', 'stepKey'] as const).map((decay): [string, Setup] => [`decay ${decay}`, { decay }]),
  ['bonus, decay a head and key', { rule: 'bonus', decay: 'headKey' }],
  ['bonus, decay a step and key', { rule: 'bonus' }],
  ['delta rule', { rule: 'delta', decay: 'none' }],
  ['gated delta rule', { rule: 'delta', decay: 'step' }],
  ['delta rule, decay a key', { rule: 'delta' }],
  ['rank one', { rule: 'rankOne' }],
  ['rank one without decay', { rule: 'rankOne', decay: 'none', length: 5, sequence: {} }],
  ['sum', { normaliser: 'sum', decay: 'none' }],
  ['sum with decay', { normaliser: 'sum', decay: 'step' }],
  ['maximum', { normaliser: 'maximum', decay: 'step' }],
  ['input gate', { rule: 'gated', normaliser: 'maximum', decay: 'step' }],
  ['input gate, decay a head', { rule: 'gated', normaliser: 'maximum', decay: 'head' }],
  ['input gate without decay', { rule: 'gated', normaliser: 'maximum', decay: 'none' }],
];
const EACH: Setup[] = [{}, { rule: 'bonus' }, { rule: 'delta', decay: 'step' }, { rule: 'rankOne' }, { rule: 'gated', normaliser: 'maximum', decay: 'step' }];

const SETUPS: [string, Setup][] = [
  ...RULES,
  ...RULES.map(([label, setup]): [string, Setup] => [`${label}, packed segments with holes`, { ...setup, length: 9, sequence: { segments: PACKED, mask: HOLES } }]),
  ...EACH.flatMap((setup): [string, Setup][] => {
    const label = `${setup.rule ?? 'plain'} `;
    return [
      ...[1, 2, 3, 63, 64, 65, 257].map((length): [string, Setup] => [`${label}length ${length}`, { ...setup, length, batch: 1, heads: 1 }]),
      ...[[1, 1], [1, 65], [16, 16], [5, 33], [33, 130]].map(([keyWidth, valueWidth]): [string, Setup] => [`${label}${keyWidth} keys, ${valueWidth} values`, { ...setup, keyWidth: keyWidth!, valueWidth: valueWidth!, length: 20 }]),
      [`${label}no state`, { ...setup, state: false }],
      [`${label}values of 1e4`, { ...setup, scale: 1e4 }],
      [`${label}hardly any decay`, { ...setup, strength: 1e-6 }],
      [`${label}strong decay`, { ...setup, strength: setup.rule === 'gated' ? 15 : 60 }],
      [`${label}lengths`, { ...setup, sequence: { lengths: [9, 0] } }],
      [`${label}a mask with holes, several blocks`, { ...setup, valueWidth: 70, sequence: { mask: HOLES } }],
    ];
  }),
];

describe('gatedLinearAttention in float64', () => {
  it.each(RULES)('gradients: %s', (_label, setup) => {
    for (const sequence of [{}, { segments: PACKED.map((row) => row.slice(1, 6)), mask: HOLES.map((row) => row.slice(0, 5)) }]) {
      const { inputs, reference, gated } = makeExample({ ...setup, length: 5, sequence });
      const random = new SeededValues(7);
      const first = gatedLinearAttentionForwardReference(reference);
      const slopes = {
        output: random.normal(first.output.length), finalState: random.normal(first.finalState.length),
        finalNormaliser: reference.normaliser === 'none' ? null : random.normal(first.finalNormaliser.length), finalMaximum: gated ? random.normal(first.finalMaximum.length) : null,
      };
      const loss = (): number => {
        const result = gatedLinearAttentionForwardReference(reference);
        return (['output', 'finalState', 'finalNormaliser', 'finalMaximum'] as const).reduce((sum, name) =>
          sum + (slopes[name] ? result[name].reduce((part, value, i) => part + value * slopes[name]![i]!, 0) : 0), 0);
      };
      const g = gatedLinearAttentionBackwardReference(reference, slopes);
      const gradients: Record<string, Float64Array> = { ...g, matrix: g.initialState, normaliser: g.initialNormaliser, maximum: g.initialMaximum };
      for (const [name, { values }] of Object.entries(inputs)) expectGradient(name, gradients[name]!, loss, values);
    }
  });

  it('the equations by hand, one key and value', () => {
    const base = { batch: 1, length: 2, heads: 1, keyWidth: 1, valueWidth: 1, scale: 1, epsilon: 0, q: [2, 3], k: [4, 5], v: [6, 7] };
    const run = (more: Partial<GatedLinearAttentionInputs>): number[] => [...gatedLinearAttentionForwardReference({ ...base, decayKind: 'none', normaliser: 'none', ...more }).output];
    const half = [-Math.LN2];
    expect(run({ decayKind: 'head', decay: half })).toEqual([2 * 24, 3 * (12 + 35)]);
    expect(run({ bonus: [0.5] })).toEqual([2 * 0.5 * 24, 3 * (24 + 0.5 * 35)]);
    expect(run({ beta: [0.5, 0.5], decayKind: 'head', decay: half })).toEqual([2 * 12, 3 * (6 + 5 * 0.5 * (7 - 5 * 6))]);
    expect(run({ a: [1, 2], b: [3, 4] })).toEqual([2 * 24, 3 * (24 + 4 * 2 * 24 + 35)]);
    expect(run({ normaliser: 'sum' })).toEqual([6, (24 + 35) / 9]);
    const [first, second] = run({ normaliser: 'maximum', inputGate: [1, 2], decayKind: 'head', decay: half });
    expect(first).toBeCloseTo((2 * 24 * Math.E) / Math.max(2 * 4 * Math.E, 1), 12);
    expect(second).toBeCloseTo((12 * Math.E + 35 * Math.E ** 2) / (2 * Math.E + 5 * Math.E ** 2), 12);
  });
});

describe.each(variants)('gatedLinearAttention on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each(SETUPS)('equals the float64 reference: %s', (_label, setup) => {
    const { inputs, reference, options, gated } = makeExample(setup);
    const { output, finalState, finalNormaliser, finalMaximum } = gatedLinearAttentionForwardReference(reference);
    checkOperation({
      tf, inputs,
      run: (t) => {
        const result = attend(t, options);
        return { output: result.output, ...named(result.state) };
      },
      expected: {
        output, 'state.matrix': finalState, ...(reference.normaliser !== 'none' && { 'state.normaliser': finalNormaliser }), ...(gated && { 'state.maximum': finalMaximum }),
      },
      expectedGradients: (slopes) => {
        const g = gatedLinearAttentionBackwardReference(reference, {
          output: slopes['output']!, finalState: slopes['state.matrix'], finalNormaliser: slopes['state.normaliser'], finalMaximum: slopes['state.maximum'],
        });
        return { ...g, matrix: g.initialState, normaliser: g.initialNormaliser, maximum: g.initialMaximum };
      },
    });
  });

  it.each(EACH.map((setup) => [setup.rule ?? 'plain', setup] as const))('%s gives one result whole, in chunks at random places, and step by step', (_label, setup) => {
    const { inputs, options } = makeExample({ ...setup, length: 19 });
    const random = new SeededValues(8);
    tf.tidy(() => {
      const t = tensorsOf(tf, inputs);
      const whole = attend(t, options);
      const start = { matrix: t['matrix']!, ...(t['normaliser'] && { normaliser: t['normaliser'] }), ...(t['maximum'] && { maximum: t['maximum'] }) };
      const sequences = ['q', 'k', 'v', 'decay', 'beta', 'a', 'b', 'inputGate'].filter((key) => t[key]);
      const part = (from: number, to: number): Record<string, Tensor> =>
        ({ ...t, ...Object.fromEntries(sequences.map((key) => [key, tf.slice(t[key]!, [0, from], [2, to - from])])) });
      const same = (output: Tensor, state: GatedLinearAttentionState): void => {
        expectTensorClose(output, whole.output, { kind: 'output' });
        for (const [key, tensor] of Object.entries(named(state))) expectTensorClose(tensor, named(whole.state)[key]!, { kind: 'state', name: key });
      };
      let state: GatedLinearAttentionState = start;
      let outputs: Tensor[] = [];
      for (let from = 0; from < 19;) {
        const to = Math.min(19, from + random.integer(1, 6));
        const result = attend(part(from, to), { ...options, state });
        outputs.push(result.output);
        state = result.state;
        from = to;
      }
      same(tf.concat(outputs, 1), state);
      state = start;
      outputs = [];
      for (let at = 0; at < 19; at++) {
        const one = Object.fromEntries(Object.entries(part(at, at + 1)).map(([key, tensor]) => [key, sequences.includes(key) ? tf.squeeze(tensor, [1]) : tensor])) as Record<string, Tensor>;
        const result = gatedLinearAttentionStep(state, one['q']!, one['k']!, one['v']!, {
          decay: one['decay'], bonus: one['bonus'], beta: one['beta'], a: one['a'], b: one['b'], inputGate: one['inputGate'], ...options,
        });
        outputs.push(result.output);
        state = result.state;
      }
      same(tf.stack(outputs, 1), state);
    });
  });

  it('passes NaN on, ignores it at masked steps, forgets at a gate of minus infinity, takes an empty batch, refuses a second gradient', () => {
    tf.tidy(() => {
      const one = tf.ones([1, 4, 1, 1]);
      const hole = tf.tensor([1, Number.NaN, 1, 1], [1, 4, 1, 1]);
      for (const [q, k, v] of [[one, hole, one], [one, one, hole]] as const) {
        expect([...gatedLinearAttention(q, k, v).output.dataSync()].map(Number.isNaN)).toEqual([false, true, true, true]);
        expect([...gatedLinearAttention(q, k, v, { mask: [[true, false, true, true]] }).output.dataSync()]).toEqual([1, 0, 2, 3]);
      }
      expect([...gatedLinearAttention(hole, one, one).output.dataSync()].map(Number.isNaN)).toEqual([false, true, false, false]);
      const gate = tf.tensor([0, Number.NaN, 0, 0], [1, 4, 1]);
      expect([...gatedLinearAttention(one, one, one, { decay: gate }).output.dataSync()].map(Number.isNaN)).toEqual([false, true, true, true]);
      expect([...gatedLinearAttention(one, one, one, { inputGate: gate, normaliser: 'maximum' }).output.dataSync()].map(Number.isNaN)).toEqual([false, true, true, true]);
      const infinite = gatedLinearAttention(one, one, tf.tensor([1, 2, Infinity, 4], [1, 4, 1, 1]), { decay: tf.tensor([0, -Infinity, 0, 0], [1, 4, 1]) });
      expect([...infinite.output.dataSync()]).toEqual([1, 2, Infinity, Infinity]);
      expect(gatedLinearAttention(tf.zeros([0, 4, 2, 3]), tf.zeros([0, 4, 2, 3]), tf.zeros([0, 4, 2, 5])).state.matrix.shape).toEqual([0, 2, 3, 5]);
      const inner = (value: Tensor): Tensor => tf.grad((k: Tensor) => tf.sum(gatedLinearAttention(one, k, one).output))(value);
      expect(() => tf.grad((value: Tensor) => tf.sum(inner(value)))(one)).toThrow(GradientError);
    });
  });

  it('divides q and k by their lengths where asked', () => {
    const { inputs } = makeExample({ rule: 'delta', decay: 'step', keyWidth: 8 });
    tf.tidy(() => {
      const t = tensorsOf(tf, inputs);
      const unit = (x: Tensor): Tensor => tf.div(x, tf.sqrt(tf.add(tf.sum(tf.square(x), -1, true), 1e-6)));
      expectTensorClose(attend(t, { queryKeyNorm: 'l2' }).output, attend({ ...t, q: unit(t['q']!), k: unit(t['k']!) }, {}).output, { kind: 'output' });
    });
  });
});

it('gatedLinearAttention says what is wrong', () => {
  const t = (...shape: number[]): Tensor => tf.zeros(shape);
  const q = t(2, 5, 2, 3), v = t(2, 5, 2, 4);
  const call = (options: GatedLinearAttentionOptions) => () => gatedLinearAttention(q, q, v, options);
  expect(() => gatedLinearAttention(t(2, 5, 6), q, v)).toThrowErrorMatchingInlineSnapshot(`[ShapeError: gatedLinearAttention: q has shape [2, 5, 6], expected 4 axes ([B, L, H, K]). Split the channels into heads: tf.reshape(x, [B, L, H, K]).]`);
  expect(() => gatedLinearAttention(q, t(2, 5, 2, 4), v)).toThrowErrorMatchingInlineSnapshot(`[ShapeError: gatedLinearAttention: k has shape [2, 5, 2, 4], expected [2, 5, 2, 3] ([B, L, H, K], as q). Give one value for each step, head and key, as in q.]`);
  expect(() => gatedLinearAttention(q, q, t(2, 5, 3, 4))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: gatedLinearAttention: v has shape [2, 5, 3, 4], expected [2, 5, 2, 4] ([B, L, H, V], V >= 1). Split the channels into heads: tf.reshape(x, [B, L, H, K]).]`);
  expect(call({ decay: t(3) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: gatedLinearAttention: decay has shape [3], expected [2] ([H], [H, K], [B, L, H] or [B, L, H, K]). Give logarithms of what a step keeps.]`);
  expect(call({ decay: t() })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: gatedLinearAttention: decay has shape [], expected [H], [H, K], [B, L, H] or [B, L, H, K]. Give logarithms of what a step keeps.]`);
  expect(call({ bonus: t(2, 4) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: gatedLinearAttention: bonus has shape [2, 4], expected [2, 3] ([H, K]). Give one bonus for each head and key.]`);
  expect(call({ beta: t(2, 5) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: gatedLinearAttention: beta has shape [2, 5], expected [2, 5, 2] ([B, L, H]). Give one value for each step and head.]`);
  expect(call({ a: q })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: gatedLinearAttention: a was given without b, expected both or neither. The rank-one term is b^T (a S).]`);
  expect(call({ bonus: t(2, 3), beta: t(2, 5, 2) })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: gatedLinearAttention: bonus, beta were given together, expected at most one of them. No published model joins them.]`);
  expect(call({ inputGate: t(2, 5, 2) })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: gatedLinearAttention: inputGate was given without normaliser: 'maximum', expected both. The state is kept scaled, and the division takes the scale away.]`);
  expect(call({ normaliser: 'maximum', inputGate: t(2, 5, 2), decay: q })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: gatedLinearAttention: inputGate was given with a decay for each key, expected one for each head. One maximum scales the whole state of a head.]`);
  expect(call({ normaliser: 'sum', state: { matrix: t(2, 2, 3, 4) } })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: gatedLinearAttention: state.normaliser was left out, expected [B, H, K]. Pass the state that an earlier call with the same batch and options returned.]`);
  expect(call({ state: { matrix: t(1, 2, 3, 4) } })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: gatedLinearAttention: state.matrix has shape [1, 2, 3, 4], expected [2, 2, 3, 4] ([B, H, K, V]). Pass the state that an earlier call with the same batch and options returned.]`);
  expect(() => gatedLinearAttentionStep({ matrix: t(2, 2, 3, 4) }, q, q, v)).toThrowErrorMatchingInlineSnapshot(`[ShapeError: gatedLinearAttentionStep: q has shape [2, 5, 2, 3], expected 3 axes ([B, H, K or V]). Pass one step of each sequence, without the L axis.]`);
});
