import { backendMatrix, checkOperation, expectGradient, kernelVariants, poisonOutputs, SeededValues, tensorsOf } from '@mamba360/testing';
import type { NamedArray } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { GradientError } from '../../errors/index.ts';
import { linearCrossEntropy } from './index.ts';
import { crossEntropyBackwardReference, crossEntropyForwardReference } from './reference.ts';
import type { CrossEntropyInputs } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

interface Setup { readonly rows?: number; readonly inner?: number; readonly vocabSize?: number; readonly bias?: boolean; readonly scale?: number; readonly ignored?: number }

function makeExample({ rows = 7, inner = 5, vocabSize = 9, bias = true, scale = 1, ignored = 0 }: Setup): { inputs: Record<string, NamedArray>; reference: CrossEntropyInputs } {
  const random = new SeededValues(12);
  const normal = (shape: number[], deviation = 1): NamedArray => ({ shape, values: random.normal(shape.reduce((a, b) => a * b, 1), deviation) });
  const inputs: Record<string, NamedArray> = { x: normal([rows, inner], scale), weight: normal([vocabSize, inner], 1 / Math.sqrt(inner)), ...(bias ? { bias: normal([vocabSize]) } : {}) };
  const targets = Int32Array.from({ length: rows }, (_, row) => (row % 3 < ignored ? -1 : random.integer(0, vocabSize - 1)));
  return { inputs, reference: { rows, inner, vocabSize, x: inputs['x']!.values, weight: inputs['weight']!.values, bias: inputs['bias']?.values, targets } };
}

const targetsOf = ({ rows, targets }: CrossEntropyInputs): Tensor => tf.tensor(Int32Array.from(targets, (target) => (target < 0 ? -100 : target)), [rows], 'int32');
const loss = (t: Record<string, Tensor>, reference: CrossEntropyInputs, reduction: 'mean' | 'sum' | 'none'): Tensor =>
  linearCrossEntropy(t['x']!, t['weight']!, targetsOf(reference), { bias: t['bias'], reduction });

const SETUPS: [string, Setup][] = [
  ['with bias', {}], ['without bias', { bias: false }], ['ignored rows', { ignored: 1 }], ['only ignored rows', { ignored: 3 }],
  ...[1, 2, 3, 63, 64, 65, 130].map((rows): [string, Setup] => [`${rows} rows`, { rows }]),
  ...[1, 16, 17, 33].map((inner): [string, Setup] => [`inner width ${inner}`, { inner }]),
  ...[1, 2, 63, 64, 65, 257].map((vocabSize): [string, Setup] => [`${vocabSize} words`, { vocabSize, inner: 16 }]),
  ['values of 1e4', { scale: 1e4 }], ['values of 1e-4', { scale: 1e-4 }], ['rows, words and widths of many blocks', { rows: 150, vocabSize: 200, inner: 48, ignored: 1 }],
];

describe('cross-entropy in float64', () => {
  it('gradients', () => {
    const { inputs, reference } = makeExample({ ignored: 1 });
    const slopes = new SeededValues(3).normal(reference.rows);
    const total = (): number => crossEntropyForwardReference(reference).reduce((sum, value, row) => sum + value * slopes[row]!, 0);
    const g = crossEntropyBackwardReference(reference, slopes);
    expectGradient('x', g.dx, total, inputs['x']!.values);
    expectGradient('weight', g.dWeight, total, inputs['weight']!.values);
    expectGradient('bias', g.dBias, total, inputs['bias']!.values);
  });

  it('by hand: two words, logits 1 and 3', () => {
    const losses = crossEntropyForwardReference({ rows: 3, inner: 1, vocabSize: 2, x: [1, 1, 1], weight: [1, 2], bias: [0, 1], targets: [0, 1, -1] });
    expect([...losses].map((value) => value.toFixed(12))).toEqual([Math.log(1 + Math.exp(2)), Math.log(1 + Math.exp(-2)), 0].map((value) => value.toFixed(12)));
  });
});

describe.each(variants)('linearCrossEntropy on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each(SETUPS)('equals the float64 reference: %s', (_label, setup) => {
    const { inputs, reference } = makeExample(setup);
    const expected = crossEntropyForwardReference(reference);
    const counted = Math.max(1, Array.from(reference.targets).filter((target) => target >= 0).length);
    const total = expected.reduce((sum, value) => sum + value, 0);
    checkOperation({
      tf, inputs, run: (t) => ({ none: loss(t, reference, 'none'), sum: loss(t, reference, 'sum'), mean: loss(t, reference, 'mean') }),
      expected: { none: expected, sum: [total], mean: [total / counted] },
      expectedGradients: (slopes) => {
        const g = crossEntropyBackwardReference(reference, slopes['none']!.map((slope) => slope + slopes['sum']![0]! + slopes['mean']![0]! / counted));
        return { x: g.dx, weight: g.dWeight, bias: g.dBias };
      },
    });
  });

  it('a row does not feel its neighbours: the same bits alone, among few and among many', () => {
    const { inputs, reference } = makeExample({ rows: 70, vocabSize: 100, inner: 19 });
    tf.tidy(() => {
      const t = tensorsOf(tf, inputs);
      const whole = loss(t, reference, 'none').dataSync();
      for (const [from, count] of [[0, 1], [3, 5], [40, 30]] as const) {
        const part = linearCrossEntropy(tf.slice(t['x']!, [from, 0], [count, 19]), t['weight']!, tf.slice(targetsOf(reference), [from], [count]), { bias: t['bias'], reduction: 'none' });
        expect([...part.dataSync()]).toEqual([...whole.subarray(from, from + count)]);
      }
    });
  });

  it('ignores what stands in ignored rows, passes NaN on elsewhere, knows words that cannot be, takes nothing', () => {
    tf.tidy(() => {
      const x = tf.tensor([1, Number.NaN, 2, Number.NaN], [4, 1]);
      const weight = tf.tensor([1, 2], [2, 1]);
      const targets = tf.tensor([0, -100, 1, 1], [4], 'int32');
      const value = linearCrossEntropy(x, weight, targets, { reduction: 'none' }).dataSync();
      expect([...value].map(Number.isNaN)).toEqual([false, false, false, true]);
      const [dx, dWeight] = tf.grads((...[a, w]: Tensor[]) => linearCrossEntropy(tf.slice(a!, [0, 0], [3, 1]), w!, tf.slice(targets, [0], [3])))([x, weight]);
      expect([...dx!.dataSync()].slice(0, 3).every(Number.isFinite)).toBe(true);
      expect([...dWeight!.dataSync()].every(Number.isFinite)).toBe(true);
      const bias = tf.tensor([0, -Infinity, 0]);
      expect(linearCrossEntropy(tf.zeros([1, 2]), tf.zeros([3, 2]), tf.tensor([0], [1], 'int32'), { bias }).dataSync()[0]).toBeCloseTo(Math.log(2), 6);
      expect(linearCrossEntropy(tf.zeros([0, 2]), tf.zeros([3, 2]), tf.zeros([0], 'int32')).dataSync()[0]).toBe(0);
      const inner = (a: Tensor): Tensor => tf.grad((b: Tensor) => linearCrossEntropy(b, weight, targets))(a);
      expect(() => tf.grad((a: Tensor) => tf.sum(inner(a)))(tf.ones([4, 1]))).toThrow(GradientError);
    });
  });
});

it('linearCrossEntropy says what is wrong', () => {
  const t = (shape: number[], dtype: 'float32' | 'int32' = 'float32'): Tensor => tf.zeros(shape, dtype);
  expect(() => linearCrossEntropy(t([2, 3]), t([3, 4]), t([2], 'int32'))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: linearCrossEntropy: x has shape [2, 3], expected [..., 4] ([..., D], D from weight [3, 4]). Transpose the weight if it is [D, V].]`);
  expect(() => linearCrossEntropy(t([2, 3]), t([4, 3]), t([3], 'int32'))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: linearCrossEntropy: targets has shape [3], expected [2] (x without its last axis). Give one word for each row of x.]`);
  expect(() => linearCrossEntropy(t([2, 3]), t([4, 3]), t([2]))).toThrowErrorMatchingInlineSnapshot(`[ConfigError: linearCrossEntropy: targets has dtype float32, expected int32. Cast it with tf.cast(targets, 'int32').]`);
  expect(() => linearCrossEntropy(t([2, 3]), t([4, 3]), tf.tensor([1, 4], [2], 'int32'))).toThrowErrorMatchingInlineSnapshot(`[ConfigError: linearCrossEntropy: target 1 is 4, expected 0 to 3 (V - 1) or ignoreIndex -100. Check that text and vocabulary belong together.]`);
  expect(() => linearCrossEntropy(t([2, 3]), t([4, 3]), t([2], 'int32'), { bias: t([3]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: linearCrossEntropy: bias has shape [3], expected [4] ([V], V from weight). Give one bias for each word.]`);
  expect(() => linearCrossEntropy(t([2, 3]), t([4, 3]), t([2], 'int32'), { reduction: 'max' as never })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: linearCrossEntropy: reduction is 'max', expected 'mean', 'sum' or 'none'. Set options.reduction.]`);
});
