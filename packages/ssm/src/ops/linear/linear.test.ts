import { backendMatrix, checkOperation, SeededValues } from '@mamba360/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { tf, useBackend } from '../../backend/index.ts';
import { linear } from './index.ts';

const backends = await backendMatrix(useBackend);

describe.each(backends)('linear on %s', (name) => {
  beforeAll(async () => { await useBackend(name); });

  it.each([[[2, 3, 5], 4, true], [[2, 3, 5], 4, false], [[5], 1, true], [[7, 5], 3, true], [[1, 1, 1], 1, true], [[2, 2, 3, 5], 6, true]] as const)('x %j to %i, bias %s', (shape, outer, withBias) => {
    const random = new SeededValues(13);
    const inner = shape.at(-1)!;
    const rows = shape.reduce<number>((a, b) => a * b, 1) / inner;
    const x = random.normal(rows * inner);
    const weight = random.normal(outer * inner);
    const bias = random.normal(outer);
    const expected = Float64Array.from({ length: rows * outer }, (_, i) => {
      const row = Math.floor(i / outer);
      let sum = withBias ? bias[i % outer]! : 0;
      for (let d = 0; d < inner; d++) sum += x[row * inner + d]! * weight[(i % outer) * inner + d]!;
      return sum;
    });
    checkOperation({
      tf,
      inputs: { x: { shape, values: x }, weight: { shape: [outer, inner], values: weight }, ...(withBias ? { bias: { shape: [outer], values: bias } } : {}) },
      run: (t) => ({ output: linear(t['x']!, t['weight']!, t['bias']) }),
      expected: { output: expected },
      expectedGradients: ({ output: dy }) => {
        const gradients = { x: new Float64Array(x.length), weight: new Float64Array(weight.length), bias: new Float64Array(outer) };
        dy!.forEach((slope, i) => {
          const row = Math.floor(i / outer);
          const column = i % outer;
          gradients.bias[column]! += slope;
          for (let d = 0; d < inner; d++) {
            gradients.x[row * inner + d]! += slope * weight[column * inner + d]!;
            gradients.weight[column * inner + d]! += slope * x[row * inner + d]!;
          }
        });
        return gradients;
      },
    });
  });
});

it('linear says what is wrong', () => {
  expect(() => linear(tf.zeros([2, 3]), tf.zeros([3, 4]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: linear: x has shape [2, 3], expected a last axis of 4 ([..., D], D from weight [3, 4]). Transpose the weight if it is [D, M].]`);
  expect(() => linear(tf.zeros([2, 3]), tf.zeros([4, 3]), tf.zeros([3]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: linear: bias has shape [3], expected [4] ([M], M from weight). Give one bias for each output channel.]`);
  expect(() => linear(tf.zeros([2, 3]), tf.zeros([3]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: linear: weight has shape [3], expected 2 axes ([M, D]). Transpose a weight of shape [D, M].]`);
});
