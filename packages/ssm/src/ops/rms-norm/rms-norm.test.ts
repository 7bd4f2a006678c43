import { backendMatrix, checkOperation, expectGradient, kernelVariants, poisonOutputs, SeededValues, tensorsOf } from '@mamba360/testing';
import type { NamedArray } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { GradientError } from '../../errors/index.ts';
import { rmsNorm } from './index.ts';
import { rmsNormBackwardReference, rmsNormForwardReference } from './reference.ts';
import type { RmsNormInputs } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

interface Setup { readonly shape?: number[]; readonly groups?: number; readonly options?: string; readonly normBeforeGate?: boolean; readonly scale?: number; readonly epsilon?: number }

/** Letters of options: w(eight) z b(ias). */
function makeExample({ shape = [2, 3, 12], groups = 1, options = 'w', normBeforeGate = true, scale = 1, epsilon = 1e-5 }: Setup): { inputs: Record<string, NamedArray>; reference: RmsNormInputs; normBeforeGate: boolean } {
  const random = new SeededValues(4);
  const size = shape.reduce((a, b) => a * b, 1);
  const width = shape.at(-1)!;
  const inputs: Record<string, NamedArray> = {
    x: { shape, values: random.normal(size, scale) },
    ...(options.includes('w') ? { weight: { shape: [width], values: random.normal(width) } } : {}),
    ...(options.includes('z') ? { z: { shape, values: random.normal(size) } } : {}),
    ...(options.includes('b') ? { bias: { shape: [width], values: random.normal(width) } } : {}),
  };
  return {
    inputs, normBeforeGate,
    reference: {
      rows: size / width, width, groups, epsilon, gateBeforeNorm: options.includes('z') && !normBeforeGate,
      x: inputs['x']!.values, weight: inputs['weight']?.values, z: inputs['z']?.values, bias: inputs['bias']?.values,
    },
  };
}

const SETUPS: [string, Setup][] = [
  ...['', 'w', 'wb', 'wz', 'wzb', 'z'].flatMap((options): [string, Setup][] => [
    [`options '${options}'`, { options }], [`options '${options}', gate first, three groups`, { options, groups: 3, normBeforeGate: false }],
  ]),
  ...[1, 2, 3, 15, 16, 17, 63, 64, 65, 257].map((width): [string, Setup] => [`width ${width}`, { shape: [3, width], options: 'wzb' }]),
  ['a group for each channel', { groups: 12, options: 'wz' }],
  ['a vector', { shape: [7] }],
  ['values of 1e4', { scale: 1e4, options: 'wzb' }],
  ['a group for each channel, a small epsilon', { groups: 12, options: 'wz', epsilon: 1e-6, scale: 3 }],
  ['values below epsilon', { scale: 1e-6, options: 'wz' }],
  ['zeros', { scale: 0, options: 'wzb' }],
];

describe('norm in float64', () => {
  it.each([['w', 1, true], ['wzb', 3, true], ['wzb', 2, false]] as const)("gradients, options '%s', %i groups, norm before gate: %s", (options, groups, normBeforeGate) => {
    const { inputs, reference } = makeExample({ shape: [2, 6], options, groups, normBeforeGate });
    const dy = new SeededValues(5).normal(12);
    const loss = (): number => rmsNormForwardReference(reference).reduce((sum, value, i) => sum + value * dy[i]!, 0);
    const g = rmsNormBackwardReference(reference, dy);
    expectGradient('x', g.dx, loss, inputs['x']!.values);
    expectGradient('weight', g.dWeight, loss, inputs['weight']!.values);
    if (options === 'wzb') {
      expectGradient('z', g.dz, loss, inputs['z']!.values);
      expectGradient('bias', g.dBias, loss, inputs['bias']!.values);
    }
  });
});

describe.each(variants)('rmsNorm on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each(SETUPS)('equals the float64 reference: %s', (_label, setup) => {
    const { inputs, reference, normBeforeGate } = makeExample(setup);
    checkOperation({
      tf, inputs,
      run: (t) => ({ output: rmsNorm(t['x']!, t['weight'] ?? null, { z: t['z'], bias: t['bias'], groups: reference.groups, epsilon: reference.epsilon, normBeforeGate }) }),
      expected: { output: rmsNormForwardReference(reference) },
      expectedGradients: (slopes) => {
        const g = rmsNormBackwardReference(reference, slopes['output']!);
        return { x: g.dx, weight: g.dWeight, z: g.dz, bias: g.dBias };
      },
    });
  });

  it('passes NaN on in its row only, takes no rows, refuses a second gradient', () => {
    tf.tidy(() => {
      const output = rmsNorm(tf.tensor([[1, Number.NaN, 2], [1, 2, 3]]), tf.ones([3])).dataSync();
      expect([...output].map(Number.isNaN)).toEqual([true, true, true, false, false, false]);
      expect(rmsNorm(tf.zeros([0, 3]), tf.ones([3])).shape).toEqual([0, 3]);
      const inner = (x: Tensor): Tensor => tf.grad((y: Tensor) => tf.sum(rmsNorm(y, null)))(x);
      expect(() => tf.grad((x: Tensor) => tf.sum(inner(x)))(tensorsOf(tf, makeExample({}).inputs)['x']!)).toThrow(GradientError);
    });
  });
});

it('rmsNorm says what is wrong', () => {
  const x = tf.zeros([2, 6]);
  expect(() => rmsNorm(x, tf.zeros([5]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: rmsNorm: weight has shape [5], expected [6] ([D], the last axis of x). Give one scale for each channel of x.]`);
  expect(() => rmsNorm(x, null, { groups: 4 })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: rmsNorm: groups is 4, expected a number that divides the last axis of x (6). Use 1 to normalise over the whole axis.]`);
  expect(() => rmsNorm(x, null, { epsilon: 0 })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: rmsNorm: epsilon is 0, expected a number above 0. Leave it out for 1e-5.]`);
  expect(() => rmsNorm(x, null, { z: tf.zeros([2, 5]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: rmsNorm: z has shape [2, 5], expected [2, 6] (as x). Project the gate to the shape of x first.]`);
  expect(() => rmsNorm(tf.scalar(1), null)).toThrowErrorMatchingInlineSnapshot(`[ShapeError: rmsNorm: x has shape [], expected a last axis of at least 1 ([..., D]). Normalise a scalar by hand.]`);
});
