import { backendMatrix, checkOperation, expectGradient, expectTensorClose, kernelVariants, poisonOutputs, SeededValues, tensorsOf } from '@mamba360/testing';
import type { NamedArray } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { GradientError } from '../../errors/index.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { nonlinearScan, nonlinearScanStep } from './index.ts';
import type { NonlinearState } from './index.ts';
import { nonlinearScanBackwardReference, nonlinearScanForwardReference } from './reference.ts';
import type { NonlinearScanInputs } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

type Kind = 'lstm' | 'gru';
interface Setup { readonly batch?: number; readonly length?: number; readonly heads?: number; readonly headWidth?: number; readonly options?: string; readonly scale?: number; readonly sequence?: SequenceOptions }
interface Example { readonly inputs: Record<string, NamedArray>; readonly reference: NonlinearScanInputs; readonly kind: Kind; readonly sequence: SequenceOptions }

/** Letters of options: b(ias) h(idden) c(ell, LSTM only). */
function makeExample(kind: Kind, { batch = 2, length = 9, heads = 2, headWidth = 3, options = 'bhc', scale = 1, sequence = {} }: Setup): Example {
  const random = new SeededValues(6);
  const E = heads * headWidth;
  const K = kind === 'lstm' ? 4 : 3;
  const normal = (shape: number[], deviation = 1): NamedArray => ({ shape, values: random.normal(shape.reduce((a, b) => a * b, 1), deviation) });
  const inputs: Record<string, NamedArray> = {
    x: normal([batch, length, K * E], scale), recurrent: normal([heads, headWidth, K * headWidth], 1 / Math.sqrt(headWidth)),
    ...(options.includes('b') ? { recurrentBias: normal([K * E]) } : {}), ...(options.includes('h') ? { hidden: normal([batch, E], 0.5) } : {}),
    ...(options.includes('c') && kind === 'lstm' ? { cell: normal([batch, E]) } : {}),
  };
  return {
    inputs, kind, sequence,
    reference: {
      batch, length, heads, headWidth, kind, x: inputs['x']!.values, recurrent: inputs['recurrent']!.values, recurrentBias: inputs['recurrentBias']?.values,
      initialHidden: inputs['hidden']?.values, initialCell: inputs['cell']?.values, control: controlBytes('test', batch, length, sequence),
    },
  };
}

const scan = (t: Record<string, Tensor>, { kind, sequence }: Pick<Example, 'kind' | 'sequence'>) => nonlinearScan(t['x']!, t['recurrent']!, {
  kind, recurrentBias: t['recurrentBias'], ...(t['hidden'] ? { state: { hidden: t['hidden'], cell: t['cell'] } } : {}), ...sequence,
});

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

describe.each(['lstm', 'gru'] as const)('%s in float64', (kind) => {
  it('gradients', () => {
    const { inputs, reference } = makeExample(kind, { length: 5, sequence: { segments: PACKED.map((row) => row.slice(1, 6)), mask: HOLES.map((row) => row.slice(0, 5)) } });
    const random = new SeededValues(7);
    const first = nonlinearScanForwardReference(reference);
    const slopes = [first.hidden, first.finalHidden, first.finalCell].map((values) => random.normal(values.length));
    const loss = (): number => {
      const { hidden, finalHidden, finalCell } = nonlinearScanForwardReference(reference);
      return [hidden, finalHidden, finalCell].reduce((sum, values, k) => sum + values.reduce((part, value, i) => part + value * slopes[k]![i]!, 0), 0);
    };
    const g = nonlinearScanBackwardReference(reference, slopes[0]!, slopes[1]!, slopes[2]!);
    const pairs: [string, Float64Array][] = [['x', g.dx], ['recurrent', g.dRecurrent], ['recurrentBias', g.dRecurrentBias], ['hidden', g.dInitialHidden], ['cell', g.dInitialCell]];
    for (const [name, gradient] of pairs) if (inputs[name]) expectGradient(name, gradient, loss, inputs[name].values);
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
});

describe.each(variants)('nonlinearScan on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each((['lstm', 'gru'] as const).flatMap((kind) => SETUPS.map(([label, setup]) => [kind, label, setup] as const)))('%s equals the float64 reference: %s', (kind, _label, setup) => {
    const example = makeExample(kind, setup);
    const { hidden, finalHidden, finalCell } = nonlinearScanForwardReference(example.reference);
    checkOperation({
      tf, inputs: example.inputs,
      run: (t) => {
        const { output, state } = scan(t, example);
        return { output, 'state.hidden': state.hidden, ...(state.cell ? { 'state.cell': state.cell } : {}) };
      },
      expected: { output: hidden, 'state.hidden': finalHidden, ...(kind === 'lstm' ? { 'state.cell': finalCell } : {}) },
      expectedGradients: (slopes) => {
        const g = nonlinearScanBackwardReference(example.reference, slopes['output']!, slopes['state.hidden'], slopes['state.cell'] ?? null);
        return { x: g.dx, recurrent: g.dRecurrent, recurrentBias: g.dRecurrentBias, hidden: g.dInitialHidden, cell: g.dInitialCell };
      },
    });
  });

  it.each(['lstm', 'gru'] as const)('%s gives one result whole, in chunks at random places, and step by step', (kind) => {
    const example = makeExample(kind, { length: 19 });
    const random = new SeededValues(8);
    tf.tidy(() => {
      const t = tensorsOf(tf, example.inputs);
      const whole = scan(t, example);
      const start: NonlinearState = { hidden: t['hidden']!, ...(t['cell'] ? { cell: t['cell'] } : {}) };
      const same = (outputs: Tensor, state: NonlinearState): void => {
        expectTensorClose(outputs, whole.output, { kind: 'output' });
        expectTensorClose(state.hidden, whole.state.hidden, { kind: 'state' });
        if (kind === 'lstm') expectTensorClose(state.cell!, whole.state.cell!, { kind: 'state' });
      };
      let state = start;
      let outputs: Tensor[] = [];
      for (let from = 0; from < 19;) {
        const to = Math.min(19, from + random.integer(1, 6));
        const part = nonlinearScan(tf.slice(t['x']!, [0, from], [2, to - from]), t['recurrent']!, { kind, recurrentBias: t['recurrentBias'], state });
        outputs.push(part.output);
        state = part.state;
        from = to;
      }
      same(tf.concat(outputs, 1), state);
      state = start;
      outputs = [];
      for (let at = 0; at < 19; at++) {
        const step = nonlinearScanStep(state, tf.squeeze(tf.slice(t['x']!, [0, at], [2, 1]), [1]), t['recurrent']!, { kind, recurrentBias: t['recurrentBias'] });
        outputs.push(step.output);
        state = step.state;
      }
      same(tf.stack(outputs, 1), state);
    });
  });

  it.each(['lstm', 'gru'] as const)('%s passes NaN on, ignores it at masked steps, saturates at infinities, takes an empty batch, refuses a second gradient', (kind) => {
    tf.tidy(() => {
      const gates = kind === 'lstm' ? 4 : 3;
      const recurrent = tf.fill([1, 1, gates], 0.5);
      const x = tf.tensor(Array.from({ length: 4 * gates }, (_, i) => (i === gates ? Number.NaN : 0.5)), [1, 4, gates]);
      const seen = nonlinearScan(x, recurrent, { kind }).output.dataSync();
      expect([...seen].map(Number.isNaN)).toEqual([false, true, true, true]);
      expect([...nonlinearScan(x, recurrent, { kind, mask: [[true, false, true, true]] }).output.dataSync()].every(Number.isFinite)).toBe(true);
      expect([...nonlinearScan(tf.fill([1, 2, gates], Infinity), recurrent, { kind }).output.dataSync()].every(Number.isFinite)).toBe(true);
      expect(nonlinearScan(tf.zeros([0, 4, gates]), recurrent, { kind }).state.hidden.shape).toEqual([0, 1]);
      const inner = (value: Tensor): Tensor => tf.grad((y: Tensor) => tf.sum(nonlinearScan(y, recurrent, { kind }).output))(value);
      expect(() => tf.grad((value: Tensor) => tf.sum(inner(value)))(tf.ones([1, 2, gates]))).toThrow(GradientError);
    });
  });
});

it('nonlinearScan says what is wrong', () => {
  const t = (shape: number[]): Tensor => tf.zeros(shape);
  expect(() => nonlinearScan(t([2, 5, 9]), t([1, 2, 8]), { kind: 'lstm' })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: nonlinearScan: x has shape [2, 5, 9], expected a last axis that 4 (the gates of a lstm) divides ([B, L, K*E]). Project the input to all gates first.]`);
  expect(() => nonlinearScan(t([2, 5, 8]), t([1, 3, 12]), { kind: 'lstm' })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: nonlinearScan: recurrent has shape [1, 3, 12], so H * P = 3, expected 2 (E, from x). Give one block for each head; a single head of width E is the dense cell.]`);
  expect(() => nonlinearScan(t([2, 5, 8]), t([1, 2, 6]), { kind: 'lstm' })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: nonlinearScan: recurrent has shape [1, 2, 6], expected [1, 2, 8] ([H, P, K*P]). Give one block for each head; a single head of width E is the dense cell.]`);
  expect(() => nonlinearScan(t([2, 5, 8]), t([2, 8]), { kind: 'lstm' })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: nonlinearScan: recurrent has shape [2, 8], expected 3 axes ([H, P, K*P]). Give one block for each head; a single head of width E is the dense cell.]`);
  expect(() => nonlinearScan(t([2, 5, 6]), t([1, 2, 6]), { kind: 'gru', state: { hidden: t([2, 2]), cell: t([2, 2]) } })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: nonlinearScan: a GRU was given state.cell, expected state.hidden alone. Leave the cell out.]`);
  expect(() => nonlinearScan(t([2, 5, 6]), t([1, 2, 6]), { kind: 'gru', state: { hidden: t([1, 2]) } })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: nonlinearScan: state.hidden has shape [1, 2], expected [2, 2] ([B, E]). Pass the state that an earlier call with the same batch returned.]`);
  expect(() => nonlinearScan(t([2, 5, 6]), t([1, 2, 6]), { kind: 'rnn' as never })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: nonlinearScan: kind is 'rnn', expected 'lstm' or 'gru'. Set options.kind.]`);
});
