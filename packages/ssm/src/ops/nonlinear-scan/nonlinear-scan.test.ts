import { backendMatrix, checkOperation, expectGradient, expectTensorClose, kernelVariants, poisonOutputs, SeededValues, tensorsOf } from '@mamba360/testing';
import type { NamedArray } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { GradientError } from '../../errors/index.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { nonlinearScan, nonlinearScanStep } from './index.ts';
import type { NonlinearState, RecurrentKind } from './index.ts';
import { KINDS } from './kernel.ts';
import { nonlinearScanBackwardReference, nonlinearScanForwardReference } from './reference.ts';
import type { NonlinearScanInputs } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

const ALL = ['lstm', 'gru', 'rnn', 'slstm', 'ltc'] as const;
const FINALS = { hidden: 'finalHidden', cell: 'finalCell', normaliser: 'finalNormaliser', maximum: 'finalMaximum' } as const;
const SOLVER = { unfolds: 3, timeStep: 0.8 };

interface Setup { readonly batch?: number; readonly length?: number; readonly heads?: number; readonly headWidth?: number; readonly options?: string; readonly scale?: number; readonly sequence?: SequenceOptions }
interface Example { readonly inputs: Record<string, NamedArray>; readonly reference: NonlinearScanInputs; readonly kind: RecurrentKind; readonly sequence: SequenceOptions }

/** Letters of options: b(ias) h(idden) c(ell and the kind's other states; a normaliser is at least 1). */
function makeExample(kind: RecurrentKind, { batch = 2, length = 9, heads = 2, headWidth = 3, options = 'bhc', scale = 1, sequence = {} }: Setup): Example {
  const random = new SeededValues(6);
  const E = heads * headWidth;
  const { gates: K, more } = KINDS[kind];
  const normal = (shape: number[], deviation = 1): NamedArray => ({ shape, values: random.normal(shape.reduce((a, b) => a * b, 1), deviation) });
  const inputs: Record<string, NamedArray> = {
    x: normal([batch, length, K * E], scale), recurrent: normal([heads, headWidth, K * headWidth], 1 / Math.sqrt(headWidth)),
    ...(options.includes('b') ? { recurrentBias: normal([K * E]) } : {}), ...(options.includes('h') ? { hidden: normal([batch, E], 0.5) } : {}),
    ...Object.fromEntries((options.includes('c') ? more : []).map((name) => {
      const state = normal([batch, E]);
      return [name, name === 'normaliser' ? { ...state, values: state.values.map((value) => 1 + value * value) } : state];
    })),
    ...(kind === 'ltc' ? { asymptote: normal([E]), rate: { shape: [E], values: random.normal(E).map((value) => value * value) } } : {}),
  };
  return {
    inputs, kind, sequence,
    reference: {
      batch, length, heads, headWidth, kind, x: inputs['x']!.values, recurrent: inputs['recurrent']!.values, recurrentBias: inputs['recurrentBias']?.values,
      initialHidden: inputs['hidden']?.values, initialCell: inputs['cell']?.values,
      initialNormaliser: inputs['normaliser']?.values, initialMaximum: inputs['maximum']?.values,
      ...(kind === 'ltc' ? { ...SOLVER, constants: Float64Array.from([...inputs['asymptote']!.values, ...inputs['rate']!.values]) } : {}), control: controlBytes('test', batch, length, sequence),
    },
  };
}

const cellOf = (t: Record<string, Tensor>, kind: RecurrentKind) => ({ kind, recurrentBias: t['recurrentBias'], ...(kind === 'ltc' ? { ...SOLVER, asymptote: t['asymptote'], rate: t['rate'] } : {}) });

const scan = (t: Record<string, Tensor>, { kind, sequence }: Pick<Example, 'kind' | 'sequence'>) => nonlinearScan(t['x']!, t['recurrent']!, {
  ...cellOf(t, kind), ...(t['hidden'] ? { state: { hidden: t['hidden'], cell: t['cell'], normaliser: t['normaliser'], maximum: t['maximum'] } } : {}), ...sequence,
});

/** Gradients of the reference by the names of the op's inputs. */
function gradientsOf({ reference }: Example, slopes: Readonly<Record<string, Float64Array>>): Record<string, Float64Array> {
  const g = nonlinearScanBackwardReference(reference, slopes['output']!, {
    hidden: slopes['state.hidden'], cell: slopes['state.cell'], normaliser: slopes['state.normaliser'], maximum: slopes['state.maximum'],
  });
  const E = reference.heads * reference.headWidth;
  return {
    x: g.dx, recurrent: g.dRecurrent, recurrentBias: g.dRecurrentBias, hidden: g.dInitialHidden, cell: g.dInitialCell, normaliser: g.dInitialNormaliser, maximum: g.dInitialMaximum,
    asymptote: g.dConstants.slice(0, E), rate: g.dConstants.slice(E),
  };
}

/** Outputs of the reference by the names of the op's outputs. */
function expectedOf({ reference, kind }: Example): Record<string, Float64Array> {
  const result = nonlinearScanForwardReference(reference);
  return { output: result.hidden, ...Object.fromEntries((['hidden', ...KINDS[kind].more] as (keyof typeof FINALS)[]).map((name) => [`state.${name}`, result[FINALS[name]]])) };
}

const HOLES = [[true, false, true, true, false, false, true, true, true], [false, false, true, false, true, true, true, true, false]];
const PACKED = [[0, 0, 0, 1, 1, 2, 2, 2, 2], [5, 5, 5, 5, 5, 5, 3, 3, 5]];

const SETUPS: [string, Setup][] = [
  ...['', 'b', 'h', 'bhc'].map((options): [string, Setup] => [`options '${options}'`, { options }]),
  ...[1, 2, 3, 63, 64, 65, 257].map((length): [string, Setup] => [`length ${length}`, { length, batch: 1, heads: 1 }]),
  ...[[1, 1], [1, 16], [1, 17], [4, 1], [3, 5], [1, 33]].map(([heads, headWidth]): [string, Setup] => [`${heads} heads of ${headWidth}`, { heads: heads!, headWidth: headWidth!, length: 5 }]),
  ['a batch of 5', { batch: 5, length: 4 }],
  ['values of 1e4', { scale: 1e4 }],
  ['lengths', { sequence: { lengths: [9, 0] } }],
  ['a mask with holes', { sequence: { mask: HOLES } }],
  ['packed segments with holes', { sequence: { segments: PACKED, mask: HOLES } }],
];

describe.each(ALL)('%s in float64', (kind) => {
  it.each(['bhc', 'b'])("gradients, options '%s'", (options) => {
    const example = makeExample(kind, { length: 5, options, sequence: { segments: PACKED.map((row) => row.slice(1, 6)), mask: HOLES.map((row) => row.slice(0, 5)) } });
    const random = new SeededValues(7);
    const slopes = Object.fromEntries(Object.entries(expectedOf(example)).map(([name, values]) => [name, random.normal(values.length)]));
    const loss = (): number => Object.entries(expectedOf({ ...example, reference: { ...example.reference, ...(kind === 'ltc' ? { constants: [...example.inputs['asymptote']!.values, ...example.inputs['rate']!.values] } : {}) } }))
      .reduce((sum, [name, values]) => sum + values.reduce((part, value, i) => part + value * slopes[name]![i]!, 0), 0);
    const gradients = gradientsOf(example, slopes);
    for (const name of Object.keys(example.inputs)) expectGradient(name, gradients[name]!, loss, example.inputs[name]!.values);
  });
});

it('the equations by hand, one unit', () => {
  const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v));
  const lstm = nonlinearScanForwardReference({ batch: 1, length: 1, heads: 1, headWidth: 1, kind: 'lstm', x: [0.1, 0.2, 0.3, 0.4], recurrent: [1, 2, 3, 4], recurrentBias: [0.5, 0, 0, 0], initialHidden: [0.5], initialCell: [2] });
  const c = sigmoid(0.2 + 1) * 2 + sigmoid(0.1 + 0.5 + 0.5) * Math.tanh(0.3 + 1.5);
  expect(lstm.finalCell[0]).toBeCloseTo(c, 14);
  expect(lstm.hidden[0]).toBeCloseTo(sigmoid(0.4 + 2) * Math.tanh(c), 14);
  const gru = nonlinearScanForwardReference({ batch: 1, length: 1, heads: 1, headWidth: 1, kind: 'gru', x: [0.1, 0.2, 0.3], recurrent: [1, 2, 3], recurrentBias: [0, 0, 0.7], initialHidden: [0.5] });
  const n = Math.tanh(0.3 + sigmoid(0.1 + 0.5) * (1.5 + 0.7));
  expect(gru.hidden[0]).toBeCloseTo((1 - sigmoid(0.2 + 1)) * n + sigmoid(0.2 + 1) * 0.5, 14);
  const rnn = nonlinearScanForwardReference({ batch: 1, length: 1, heads: 1, headWidth: 1, kind: 'rnn', x: [0.1], recurrent: [2], recurrentBias: [0.5], initialHidden: [0.5] });
  expect(rnn.hidden[0]).toBeCloseTo(Math.tanh(1.6), 14);
  const ltc = nonlinearScanForwardReference({ batch: 1, length: 1, heads: 1, headWidth: 1, kind: 'ltc', x: [0.1], recurrent: [2], initialHidden: [0.5], constants: [3, 0.25], timeStep: 2, unfolds: 1 });
  expect(ltc.hidden[0]).toBeCloseTo((0.5 + 2 * sigmoid(1.1) * 3) / (1 + 2 * (0.25 + sigmoid(1.1))), 14);
  // Without the stabiliser: c = f c + exp(i) z, n = f n + exp(i).
  const slstm = nonlinearScanForwardReference({ batch: 1, length: 2, heads: 1, headWidth: 1, kind: 'slstm', x: [0.1, 0.2, 0.3, 0.4, 1.5, -0.5, 0.6, -0.7], recurrent: [0, 0, 0, 0] });
  const [c1, n1] = [Math.exp(0.1) * Math.tanh(0.3), Math.exp(0.1)];
  const [c2, n2] = [sigmoid(-0.5) * c1 + Math.exp(1.5) * Math.tanh(0.6), sigmoid(-0.5) * n1 + Math.exp(1.5)];
  expect(slstm.hidden[0]).toBeCloseTo(sigmoid(0.4) * c1 / n1, 14);
  expect(slstm.hidden[1]).toBeCloseTo(sigmoid(-0.7) * c2 / n2, 14);
});

describe.each(variants)('nonlinearScan on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each(ALL.flatMap((kind) => SETUPS.map(([label, setup]) => [kind, label, setup] as const)))('%s equals the float64 reference: %s', (kind, _label, setup) => {
    const example = makeExample(kind, setup);
    checkOperation({
      tf, inputs: example.inputs,
      run: (t) => {
        const { output, state } = scan(t, example);
        return { output, ...Object.fromEntries(Object.entries(state).map(([name, tensor]) => [`state.${name}`, tensor])) };
      },
      expected: expectedOf(example),
      expectedGradients: (slopes) => gradientsOf(example, slopes),
    });
  });

  it.each(ALL)('%s gives one result whole, in chunks at random places, and step by step', (kind) => {
    const example = makeExample(kind, { length: 19 });
    const random = new SeededValues(8);
    tf.tidy(() => {
      const t = tensorsOf(tf, example.inputs);
      const whole = scan(t, example);
      const start = Object.fromEntries(['hidden', ...KINDS[kind].more].map((name) => [name, t[name]!])) as NonlinearState;
      const same = (outputs: Tensor, state: NonlinearState): void => {
        expectTensorClose(outputs, whole.output, { kind: 'output' });
        expect(Object.keys(state)).toEqual(Object.keys(start));
        for (const name of Object.keys(start) as (keyof NonlinearState)[]) expectTensorClose(state[name]!, whole.state[name]!, { kind: 'state', name });
      };
      let state = start;
      let outputs: Tensor[] = [];
      for (let from = 0; from < 19;) {
        const to = Math.min(19, from + random.integer(1, 6));
        const part = nonlinearScan(tf.slice(t['x']!, [0, from], [2, to - from]), t['recurrent']!, { ...cellOf(t, kind), state });
        outputs.push(part.output);
        state = part.state;
        from = to;
      }
      same(tf.concat(outputs, 1), state);
      state = start;
      outputs = [];
      for (let at = 0; at < 19; at++) {
        const step = nonlinearScanStep(state, tf.squeeze(tf.slice(t['x']!, [0, at], [2, 1]), [1]), t['recurrent']!, cellOf(t, kind));
        outputs.push(step.output);
        state = step.state;
      }
      same(tf.stack(outputs, 1), state);
    });
  });

  it.each(ALL)('%s passes NaN on, ignores it at masked steps, saturates at infinities, takes an empty batch, refuses a second gradient', (kind) => {
    tf.tidy(() => {
      const { gates } = KINDS[kind];
      const cell = { kind, ...(kind === 'ltc' ? { asymptote: tf.ones([1]), rate: tf.ones([1]) } : {}) };
      const recurrent = tf.fill([1, 1, gates], 0.5);
      const x = tf.tensor(Array.from({ length: 4 * gates }, (_, i) => (i === gates ? Number.NaN : 0.5)), [1, 4, gates]);
      const seen = nonlinearScan(x, recurrent, cell).output.dataSync();
      expect([...seen].map(Number.isNaN)).toEqual([false, true, true, true]);
      expect([...nonlinearScan(x, recurrent, { ...cell, mask: [[true, false, true, true]] }).output.dataSync()].every(Number.isFinite)).toBe(true);
      // An input gate of exp(infinity) has no maximum to subtract, in the official code neither.
      if (kind !== 'slstm') expect([...nonlinearScan(tf.fill([1, 2, gates], Infinity), recurrent, cell).output.dataSync()].every(Number.isFinite)).toBe(true);
      expect(nonlinearScan(tf.zeros([0, 4, gates]), recurrent, cell).state.hidden.shape).toEqual([0, 1]);
      const inner = (value: Tensor): Tensor => tf.grad((y: Tensor) => tf.sum(nonlinearScan(y, recurrent, cell).output))(value);
      expect(() => tf.grad((value: Tensor) => tf.sum(inner(value)))(tf.ones([1, 2, gates]))).toThrow(GradientError);
    });
  });

  it('an sLSTM with gates of +-1e3 overflows nowhere', () => {
    tf.tidy(() => {
      for (const [input, forget] of [[1e3, 1e3], [-1e3, 1e3], [1e3, -1e3], [-1e3, -1e3]] as const) {
        const x = tf.tensor(Array.from({ length: 24 }, (_, i) => [input, forget, 0.5, 1][i % 4]!), [1, 6, 4]);
        const { output, state } = nonlinearScan(x, tf.zeros([1, 1, 4]), { kind: 'slstm' });
        expectTensorClose(output, tf.fill([1, 6, 1], Math.tanh(0.5) / (1 + Math.exp(-1))), { kind: 'output', name: `${input} ${forget}` });
        expect(state.normaliser!.dataSync()[0]).toBeGreaterThanOrEqual(1);
      }
    });
  });
});

it('nonlinearScan says what is wrong', () => {
  const t = (shape: number[]): Tensor => tf.zeros(shape);
  expect(() => nonlinearScan(t([2, 5, 9]), t([1, 2, 8]), { kind: 'lstm' })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: nonlinearScan: x has shape [2, 5, 9], expected a last axis that 4 (the gates of lstm) divides ([B, L, K*E]). Project the input to all gates first.]`);
  expect(() => nonlinearScan(t([2, 5, 8]), t([1, 3, 12]), { kind: 'lstm' })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: nonlinearScan: recurrent has shape [1, 3, 12], so H * P = 3, expected 2 (E, from x). Give one block for each head; a single head of width E is the dense cell.]`);
  expect(() => nonlinearScan(t([2, 5, 8]), t([1, 2, 6]), { kind: 'lstm' })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: nonlinearScan: recurrent has shape [1, 2, 6], expected [1, 2, 8] ([H, P, K*P]). Give one block for each head; a single head of width E is the dense cell.]`);
  expect(() => nonlinearScan(t([2, 5, 8]), t([2, 8]), { kind: 'lstm' })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: nonlinearScan: recurrent has shape [2, 8], expected 3 axes ([H, P, K*P]). Give one block for each head; a single head of width E is the dense cell.]`);
  expect(() => nonlinearScan(t([2, 5, 6]), t([1, 2, 6]), { kind: 'gru', state: { hidden: t([2, 2]), cell: t([2, 2]) } })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: nonlinearScan: state.cell was given for kind 'gru', expected state.hidden. Leave the cell out.]`);
  expect(() => nonlinearScan(t([2, 5, 6]), t([1, 2, 6]), { kind: 'gru', state: { hidden: t([1, 2]) } })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: nonlinearScan: state.hidden has shape [1, 2], expected [2, 2] ([B, E]). Pass the state that an earlier call with the same batch returned.]`);
  expect(() => nonlinearScan(t([2, 5, 6]), t([1, 2, 6]), { kind: 'lmu' as never })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: nonlinearScan: kind is 'lmu', expected one of 'lstm', 'gru', 'rnn', 'slstm', 'ltc'. Set options.kind.]`);
  expect(() => nonlinearScan(t([2, 5, 2]), t([1, 2, 2]), { kind: 'ltc', asymptote: t([2]) })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: nonlinearScan: kind 'ltc' was given no rate, expected both, [E] each. Give A and 1/tau of every channel.]`);
  expect(() => nonlinearScan(t([2, 5, 2]), t([1, 2, 2]), { kind: 'ltc', asymptote: t([2]), rate: t([2]), unfolds: 0 })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: nonlinearScan: unfolds is 0, expected a whole number of at least 1. Six are the authors' choice.]`);
  expect(() => nonlinearScan(t([2, 5, 2]), t([1, 2, 2]), { kind: 'rnn', unfolds: 2 })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: nonlinearScan: unfolds was given for kind 'rnn', expected it for 'ltc' alone. Leave it out.]`);
});
