import { backendMatrix, expectNoLeaks, expectTensorClose, kernelVariants, poisonOutputs, SeededValues } from '@mamba360/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { adamWUpdate, clipScale, globalNorm } from './index.ts';
import { adamWReference, globalNormReference } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));
const SHAPES = [[3, 4], [1], [17], [2, 2, 2], [0, 3]];

describe.each(variants)('AdamW on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it('equals the float64 reference over several steps, with groups and a clip', () => {
    const random = new SeededValues(12);
    const sizes = SHAPES.map((shape) => shape.reduce((a, b) => a * b, 1));
    const truth = sizes.map((size): Record<'p' | 'm' | 'v', Float64Array> => ({ p: random.normal(size), m: new Float64Array(size), v: new Float64Array(size) }));
    const variables = truth.map(({ p }, i) => ({
      parameter: tf.variable(tf.tensor(Float32Array.from(p), SHAPES[i]!)), firstMoment: tf.variable(tf.zeros(SHAPES[i]!)), secondMoment: tf.variable(tf.zeros(SHAPES[i]!)),
    }));
    for (let step = 1; step <= 4; step++) {
      const gradients = sizes.map((size) => random.normal(size, 3));
      const norm = globalNormReference(gradients);
      const own = [{}, { learningRate: 0.5 }, { weightDecay: 0 }, {}, {}];
      // The first update separates the moments' buffers from the tensors they were made of.
      const guard = step === 1 ? (work: () => void): void => work() : (work: () => void): void => expectNoLeaks(tf.memory, work);
      guard(() => tf.tidy(() => {
        const tensors = gradients.map((values, i) => tf.tensor(Float32Array.from(values), SHAPES[i]!, 'float32'));
        expect(globalNorm(tensors)).toBeCloseTo(norm, 5);
        adamWUpdate(variables.map((slot, i) => ({ ...slot, gradient: tensors[i]!, ...own[i] })), { learningRate: 0.01, weightDecay: 0.1, step, clipScale: clipScale(globalNorm(tensors), 1) });
      }));
      truth.forEach((slot, i) => {
        const next = adamWReference(slot.p, gradients[i]!, slot.m, slot.v, {
          learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, ...own[i], correction1: 1 - 0.9 ** step, correction2: 1 - 0.999 ** step, clipScale: Math.min(1, 1 / norm),
        });
        truth[i] = { p: next.parameter, m: next.firstMoment, v: next.secondMoment };
      });
      variables.forEach((slot, i) => {
        expectTensorClose(slot.parameter.dataSync(), truth[i]!.p, { kind: 'output', name: `parameter ${i}` });
        expectTensorClose(slot.firstMoment.dataSync(), truth[i]!.m, { kind: 'state', name: `first moment ${i}` });
        expectTensorClose(slot.secondMoment.dataSync(), truth[i]!.v, { kind: 'state', name: `second moment ${i}` });
      });
    }
    tf.dispose(variables);
  });

  it('keeps what a ten-thousandth of the sum adds: squares are added in double', () => {
    tf.tidy(() => {
      const values = new Float32Array(2 ** 17).fill(1);
      values[0] = 4096;
      expect(globalNorm([tf.tensor1d(values)])).toBe(Math.sqrt(4096 ** 2 + 2 ** 17 - 1));
    });
  });

  it('shows a NaN in the norm and in the parameter', () => {
    tf.tidy(() => {
      const gradient = tf.tensor1d([1, Number.NaN]);
      expect(globalNorm([gradient])).toBeNaN();
      const slot = { parameter: tf.variable(tf.ones([2])), firstMoment: tf.variable(tf.zeros([2])), secondMoment: tf.variable(tf.zeros([2])), gradient };
      adamWUpdate([slot], { learningRate: 0.1, step: 1 });
      expect([...slot.parameter.dataSync()].map(Number.isNaN)).toEqual([false, true]);
    });
  });
});

it('clipScale', () => {
  expect(clipScale(2, 1)).toBe(0.5);
  expect(clipScale(0.5, 1)).toBe(1);
  expect(clipScale(7, undefined)).toBe(1);
  expect(clipScale(Infinity, 1)).toBeNaN();
});

it('adamWUpdate says what is wrong', () => {
  const slot = { parameter: tf.variable(tf.ones([2]), true, 'p'), firstMoment: tf.variable(tf.zeros([2])), secondMoment: tf.variable(tf.zeros([2])), gradient: tf.zeros([3]) };
  expect(() => adamWUpdate([slot], { learningRate: 1, step: 1 })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: adamWUpdate: the gradient of p has shape [3], expected [2] (as its parameter). Take gradients of the variables that are updated.]`);
  expect(() => adamWUpdate([], { learningRate: 1, step: 0 })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: adamWUpdate: step is 0, expected an integer of at least 1. Count updates from 1.]`);
  expect(() => adamWUpdate([], { learningRate: 1, step: 1, beta1: 1 })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: adamWUpdate: beta1 is 1 and beta2 0.999, expected both in [0, 1). Leave them out for 0.9 and 0.999.]`);
});
