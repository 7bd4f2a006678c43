import { backendMatrix, checkOperation, expectGradient, kernelVariants, poisonOutputs, SeededValues } from '@mamba360/testing';
import type { NamedArray } from '@mamba360/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { GradientError } from '../../errors/index.ts';
import { vandermonde } from './index.ts';
import { vandermondeBackwardReference, vandermondeForwardReference } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

interface Setup { readonly channels?: number; readonly heads?: number; readonly modes?: number; readonly length?: number; readonly decay?: number; readonly phase?: number; readonly scale?: number }

function makeExample({ channels = 2, heads = 3, modes = 4, length = 9, decay = 0.1, phase = 3, scale = 1 }: Setup) {
  const random = new SeededValues(5), array = (shape: number[], values: Float64Array): NamedArray => ({ shape, values });
  const v = [channels, heads, modes], x = [heads, modes];
  return {
    sizes: { channels, heads, modes, length },
    inputs: {
      vRe: array(v, random.normal(channels * heads * modes, scale)), vIm: array(v, random.normal(channels * heads * modes, scale)),
      xRe: array(x, random.between(heads * modes, -decay, 0)), xIm: array(x, random.between(heads * modes, -phase, phase)),
    },
  };
}

const SETUPS: [string, Setup][] = [
  ...[1, 2, 3, 63, 64, 65, 257, 1000].map((length): [string, Setup] => [`length ${length}`, { length }]),
  ['one mode', { modes: 1 }], ['one channel', { channels: 1, heads: 1 }], ['17 channels', { heads: 17 }], ['values of 1e4', { scale: 1e4 }],
  ['no decay, long, fast phases', { decay: 1e-7, length: 4096, phase: 100 }], ['tiny steps', { decay: 1e-8, phase: 1e-8 }], ['steep decay', { decay: 400, length: 65 }],
];

it('gradients of the reference agree with central differences', () => {
  const { sizes, inputs } = makeExample({ length: 5 }), random = new SeededValues(6);
  const given = { ...sizes, vRe: inputs.vRe.values, vIm: inputs.vIm.values, xRe: inputs.xRe.values, xIm: inputs.xIm.values };
  const { kRe, kIm } = vandermondeForwardReference(given), dRe = random.normal(kRe.length), dIm = random.normal(kIm.length);
  const loss = (): number => {
    const result = vandermondeForwardReference(given);
    return result.kRe.reduce((sum, value, i) => sum + value * dRe[i]! + result.kIm[i]! * dIm[i]!, 0);
  };
  const g = vandermondeBackwardReference(given, dRe, dIm) as unknown as Record<string, Float64Array>;
  for (const name of ['vRe', 'vIm', 'xRe', 'xIm'] as const) expectGradient(name, g[`d${name}`]!, loss, inputs[name].values);
});

describe.each(variants)('vandermonde on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each(SETUPS)('equals the float64 reference: %s', (_label, setup) => {
    const { sizes, inputs } = makeExample(setup);
    const given = { ...sizes, vRe: inputs.vRe.values, vIm: inputs.vIm.values, xRe: inputs.xRe.values, xIm: inputs.xIm.values };
    const { kRe, kIm } = vandermondeForwardReference(given);
    checkOperation({
      tf, inputs,
      run: (t) => vandermonde({ re: t['vRe']!, im: t['vIm']! }, { re: t['xRe']!, im: t['xIm']! }, sizes.length),
      expected: { re: kRe, im: kIm },
      expectedGradients: (slopes) => {
        const g = vandermondeBackwardReference(given, slopes['re']!, slopes['im']);
        return { vRe: g.dvRe, vIm: g.dvIm, xRe: g.dxRe, xIm: g.dxIm };
      },
    });
  });

  it('passes NaN on to its channel, and refuses a second gradient', () => {
    tf.tidy(() => {
      const zeros = (...shape: number[]) => tf.zeros(shape), v = { re: tf.tensor([1, Number.NaN], [1, 2, 1]), im: zeros(1, 2, 1) };
      const K = vandermonde(v, { re: zeros(2, 1), im: zeros(2, 1) }, 3).re.dataSync();
      expect([...K]).toEqual([1, 1, 1, Number.NaN, Number.NaN, Number.NaN]);
      const inner = (re: ReturnType<typeof zeros>) => tf.grad((x: typeof re) => tf.sum(vandermonde({ ...v, re: x }, { re: zeros(2, 1), im: zeros(2, 1) }, 3).re))(re);
      expect(() => tf.grad((re: ReturnType<typeof zeros>) => tf.sum(inner(re)))(zeros(1, 2, 1))).toThrow(GradientError);
    });
  });
});

it('vandermonde says what is wrong', () => {
  const pair = (...shape: number[]) => ({ re: tf.zeros(shape), im: tf.zeros(shape) });
  expect(() => vandermonde(pair(2, 3), pair(2, 3), 4)).toThrowErrorMatchingInlineSnapshot(`[ShapeError: vandermonde: v.re has shape [2, 3], expected 3 axes ([C, H, N]). Add axes of 1 in front with tf.expandDims.]`);
  expect(() => vandermonde(pair(1, 2, 3), pair(3, 2), 4)).toThrowErrorMatchingInlineSnapshot(`[ShapeError: vandermonde: x.re has shape [3, 2], expected [2, 3] ([H, N], as v). Give one logarithm for each coefficient of a channel.]`);
  expect(() => vandermonde(pair(1, 2, 3), pair(2, 3), 0)).toThrowErrorMatchingInlineSnapshot(`[ConfigError: vandermonde: length is 0, expected a whole number of steps, at least 1.]`);
});
