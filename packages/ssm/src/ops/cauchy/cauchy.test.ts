import { backendMatrix, checkOperation, expectGradient, kernelVariants, poisonOutputs, SeededValues } from '@mamba360/testing';
import type { NamedArray } from '@mamba360/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { cauchy } from './index.ts';
import { cauchyBackwardReference, cauchyForwardReference } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

interface Setup { readonly batch?: number; readonly modes?: number; readonly nodes?: number; readonly conjugate?: boolean; readonly scale?: number; readonly distance?: number }

/** Poles left of -distance, nodes on the imaginary axis. */
function makeExample({ batch = 2, modes = 4, nodes = 9, conjugate = false, scale = 1, distance = 0.5 }: Setup) {
  const random = new SeededValues(5), array = (shape: number[], values: Float64Array): NamedArray => ({ shape, values });
  const inputs = {
    vRe: array([batch, modes], random.normal(batch * modes, scale)), vIm: array([batch, modes], random.normal(batch * modes, scale)),
    zRe: array([nodes], new Float64Array(nodes)), zIm: array([nodes], random.between(nodes, -5, 5)),
    wRe: array([batch, modes], random.between(batch * modes, -2 - distance, -distance)), wIm: array([batch, modes], random.between(batch * modes, -5, 5)),
  };
  const values = Object.fromEntries(Object.entries(inputs).map(([name, array_]) => [name, array_.values])) as Record<keyof typeof inputs, Float64Array>;
  return { inputs, given: { batch, modes, nodes, conjugate, ...values } };
}

const SETUPS: [string, Setup][] = [
  ...[1, 2, 3, 63, 64, 65, 257].map((nodes): [string, Setup] => [`${nodes} nodes`, { nodes }]),
  ['conjugate pairs', { conjugate: true }], ['one mode', { modes: 1, conjugate: true }], ['one row', { batch: 1, modes: 33 }], ['17 rows', { batch: 17, conjugate: true }],
  ['values of 1e4', { scale: 1e4 }], ['poles close by', { distance: 1e-3, conjugate: true }],
];

it.each([false, true])('gradients of the reference agree with central differences, conjugate %s', (conjugate) => {
  const { given, inputs } = makeExample({ conjugate, nodes: 3 }), random = new SeededValues(6), { re, im } = cauchyForwardReference(given);
  const dRe = random.normal(re.length), dIm = random.normal(im.length);
  const loss = (): number => {
    const result = cauchyForwardReference(given);
    return result.re.reduce((sum, value, i) => sum + value * dRe[i]! + result.im[i]! * dIm[i]!, 0);
  };
  const g = cauchyBackwardReference(given, dRe, dIm) as unknown as Record<string, Float64Array>;
  for (const [name, { values }] of Object.entries(inputs)) {
    const each = g[`d${name}`]!, slopes = name.startsWith('z') ? each.slice(0, 3).map((value, m) => value + each[3 + m]!) : each;
    expectGradient(name, slopes, loss, values);
  }
});

describe.each(variants)('cauchy on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each(SETUPS)('equals the float64 reference: %s', (_label, setup) => {
    const { inputs, given } = makeExample(setup), { re, im } = cauchyForwardReference(given);
    checkOperation({
      tf, inputs,
      run: (t) => cauchy({ re: t['vRe']!, im: t['vIm']! }, { re: t['zRe']!, im: t['zIm']! }, { re: t['wRe']!, im: t['wIm']! }, { conjugate: given.conjugate }),
      expected: { re, im },
      expectedGradients: (slopes) => {
        const g = cauchyBackwardReference(given, slopes['re']!, slopes['im']!);
        const total = (each: Float64Array): Float64Array => Float64Array.from({ length: given.nodes }, (_, m) => Array.from({ length: given.batch }, (__, b) => each[b * given.nodes + m]!).reduce((a, b) => a + b, 0));
        return { vRe: g.dvRe, vIm: g.dvIm, wRe: g.dwRe, wIm: g.dwIm, zRe: total(g.dzRe), zIm: total(g.dzIm) };
      },
    });
  });

  it('is not finite at a pole, and passes NaN on to its row', () => {
    tf.tidy(() => {
      const zeros = (...shape: number[]) => tf.zeros(shape), z = { re: tf.tensor1d([1, 2]), im: zeros(2) };
      const at = cauchy({ re: tf.tensor([1, Number.NaN], [2, 1]), im: zeros(2, 1) }, z, { re: tf.ones([2, 1]), im: zeros(2, 1) }).re.dataSync();
      expect(Number.isFinite(at[0])).toBe(false);
      expect([...at].slice(1)).toEqual([1, Number.NaN, Number.NaN]);
    });
  });
});

it('cauchy says what is wrong', () => {
  const pair = (...shape: number[]) => ({ re: tf.zeros(shape), im: tf.zeros(shape) });
  expect(() => cauchy(pair(3), pair(4), pair(3))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: cauchy: v.re has shape [3], expected 2 axes ([B, N]). Flatten the axes before the last with tf.reshape.]`);
  expect(() => cauchy(pair(2, 3), pair(4), pair(2, 4))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: cauchy: w.re has shape [2, 4], expected [2, 3] ([B, N], as v). Give one pole for each numerator.]`);
});
