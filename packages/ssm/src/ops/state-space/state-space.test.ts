import { backendMatrix, centralDifferences, expectTensorClose, kernelVariants, poisonOutputs, SeededValues, tensorError, CENTRAL_DIFFERENCE_BOUND } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { complexZeros, normalPlusLowRank } from '../../math/index.ts';
import type { ComplexArray } from '../../math/index.ts';
import { dplrKernelBackwardReference, dplrKernelForwardReference } from '../dplr-kernel/reference.ts';
import { diagonalModes, diagonalSystem } from './diagonal.ts';
import { dplrPoints, dplrSystem } from './dplr.ts';
import { dssModes, dssSystem } from './dss.ts';
import { s4CorrectedOutput, s4dKernel, s4dScan, s4Kernel, s4Scan, dssKernel, dssScan } from './index.ts';
import type { Raw, RawSlopes } from './system.ts';

const variants = kernelVariants(await backendMatrix(useBackend));
const random = new SeededValues(12);

const SIZES = { heads: 4, modes: 3, copies: 2, channels: 2, rate: 1 } as const;
const TRANSFORMS = { dtTransform: 'exp', realTransform: 'exp', imagTransform: 'none' } as const;

/** Parameters of S4 with HiPPO-LegS in both copies, steps from 0.02 to 0.4. */
function s4Raw(rank = 1, steps = 1): Record<string, Float64Array> {
  const { heads, modes, copies, channels } = SIZES, own = normalPlusLowRank(rank > 1 ? 'legt' : 'legs', 2 * modes, { rank });
  const twice = (values: Float64Array): Float64Array => Float64Array.from({ length: copies * values.length }, (_, i) => values[i % values.length]!);
  const pairs = ({ re, im }: ComplexArray): Float64Array => Float64Array.from({ length: 2 * re.length }, (_, i) => (i % 2 ? im : re)[i >> 1]!);
  const P = Array.from({ length: rank }, (_, r) => twice(pairs({ re: own.P.re.slice(r * modes, (r + 1) * modes), im: own.P.im.slice(r * modes, (r + 1) * modes) })));
  return {
    invDt: Float64Array.from({ length: heads * steps }, (_, i) => Math.fround(Math.log(0.02) + (3 * i) / (heads * steps))), ARe: new Float64Array(copies * modes).fill(Math.fround(Math.log(0.5))),
    AIm: twice(own.eigenvalues.im.map((value) => Math.fround(-value))), B: twice(pairs(own.B)).map(Math.fround), C: random.normal(channels * heads * modes * 2), P: Float64Array.from(P.flatMap((row) => [...row])).map(Math.fround),
  };
}

/** Compares a pullback with central differences of a random linear function of everything that was prepared. */
function expectPullback(raw: Record<string, Float64Array>, prepared: (raw: Raw) => { parts: ComplexArray[]; pull: (slopes: ComplexArray[]) => RawSlopes }): void {
  const { parts, pull } = prepared(raw), weights = parts.map(({ re }) => ({ re: random.normal(re.length), im: random.normal(re.length) }));
  const loss = (): number => prepared(raw).parts.reduce((sum, { re, im }, p) => sum + re.reduce((part, value, i) => part + value * weights[p]!.re[i]! + im[i]! * weights[p]!.im[i]!, 0), 0);
  const slopes = pull(weights);
  expect(Object.keys(slopes).sort()).toEqual(Object.keys(raw).sort());
  for (const [name, values] of Object.entries(raw)) expect(tensorError(slopes[name]!, centralDifferences(loss, values)).relative, name).toBeLessThan(10 * CENTRAL_DIFFERENCE_BOUND);
}

describe('parameters in float64', () => {
  it.each(['zoh', 'bilinear', 'dss'] as const)('modes of S4D, %s', (discretisation) => {
    for (const steps of [1, SIZES.modes]) {
      const { P: _, ...raw } = s4Raw(1, steps);
      expectPullback(raw, (given) => {
        const { x, v, pullback } = diagonalModes(given, { ...SIZES, ...TRANSFORMS, steps, discretisation }, 16);
        return { parts: [x, v], pull: ([dx, dv]) => pullback(dx!, dv!) };
      });
    }
  });

  it.each(['none', 'softplus', 'sigmoid', 'relu'] as const)('system of S4D, transform %s', (transform) => {
    const { P: _, ...raw } = s4Raw();
    raw['ARe'] = raw['ARe']!.map(() => 0.4);
    raw['invDt'] = raw['invDt']!.map((__, i) => 0.1 + i / 10);
    expectPullback(raw, (given) => {
      const { a, b, c, pullback } = diagonalSystem(given, { ...SIZES, ...TRANSFORMS, dtTransform: transform, realTransform: transform, steps: 1, discretisation: 'zoh' });
      return { parts: [a, b, c], pull: ([da, db, dc]) => pullback({ a: da!, b: db!, c: dc!, f: complexZeros(0), g: complexZeros(0) }) };
    });
  });

  it.each([1, 2])('points and system of S4, rank %i', (rank) => {
    const o = { ...SIZES, ...TRANSFORMS, steps: 1, rank };
    expectPullback(s4Raw(rank), (given) => {
      const { a, rows, columns, pullback } = dplrPoints(given, { ...o, nodes: 16 });
      return { parts: [a, rows, columns], pull: ([da, dr, dc]) => pullback(da!, dr!, dc!) };
    });
    for (const nodes of [0, 1, 13]) {
      expectPullback(s4Raw(rank), (given) => {
        const { a, b, c, f, g, pullback } = dplrSystem(given, { ...o, nodes });
        return { parts: [a, b, c, f, g], pull: ([da, db, dc, df, dg]) => pullback({ a: da!, b: db!, c: dc!, f: df!, g: dg! }) };
      });
    }
  });

  it.each(['softmax', 'exp', 'exp-no-scale', 'clip', 'clip-no-scale'] as const)('modes and system of DSS, %s', (version) => {
    for (const steps of [1, 2]) {
      const { heads, modes, channels } = SIZES, o = { version, heads, modes, channels, steps, epsilon: 1e-7, maxRealLambda: 1e-4 };
      const spectrum = { Lambda: Float64Array.from({ length: 2 * modes }, (_, i) => (i % 2 ? i : -0.3)), logNegRe: new Float64Array(modes).fill(-0.7), lambdaIm: Float64Array.of(0.5, 2, 9) };
      const raw: Record<string, Float64Array> = {
        logDt: Float64Array.from({ length: heads * steps }, (_, i) => -3 + i / 4), W: random.normal(channels * heads * modes * 2),
        ...(version.startsWith('exp') ? { logNegRe: spectrum.logNegRe, lambdaIm: spectrum.lambdaIm } : { Lambda: spectrum.Lambda }),
      };
      expectPullback(raw, (given) => {
        const { x, v, pullback } = dssModes(given, o, 12);
        return { parts: [x, v], pull: ([dx, dv]) => pullback(dx!, dv!) };
      });
      expectPullback(raw, (given) => {
        const { a, c, pullback } = dssSystem(given, o, 12);
        return { parts: [a, c], pull: ([da, dc]) => pullback({ a: da!, b: complexZeros(0), c: dc!, f: complexZeros(0), g: complexZeros(0) }) };
      });
    }
  });

  it('slopes of the DPLR kernel reference agree with central differences', () => {
    for (const [rank, nodes, length] of [[1, 8, 8], [2, 7, 5]] as const) {
      const { a, rows, columns } = dplrPoints(s4Raw(rank), { ...SIZES, ...TRANSFORMS, steps: 1, rank, nodes });
      const inputs = { heads: 4, modes: 3, channels: 2, rank, nodes, length, aRe: a.re, aIm: a.im, rowsRe: rows.re, rowsIm: rows.im, columnsRe: columns.re, columnsIm: columns.im };
      const dK = random.normal(2 * 4 * length), loss = (): number => dplrKernelForwardReference(inputs).reduce((sum, value, i) => sum + value * dK[i]!, 0);
      const g = dplrKernelBackwardReference(inputs, dK);
      for (const [values, slopes] of [[a.re, g.daRe], [a.im, g.daIm], [rows.re, g.dRowsRe], [rows.im, g.dRowsIm], [columns.re, g.dColumnsRe], [columns.im, g.dColumnsIm]] as const) {
        expect(tensorError(slopes, centralDifferences(loss, values)).relative).toBeLessThan(10 * CENTRAL_DIFFERENCE_BOUND);
      }
    }
  });
});

/** Direct causal convolution of an impulse-like input with K [C, H, L]: sum over s of K[c, h, t - s] u[b, s, h], [B, L, C, H]. */
function convolve(u: Tensor, K: Tensor): Tensor {
  const [batch, length, heads] = u.shape as [number, number, number], channels = K.shape[0]!, x = u.dataSync(), k = K.dataSync(), taps = K.shape[2]!;
  const y = new Float32Array(batch * length * channels * heads);
  for (let b = 0; b < batch; b++) for (let t = 0; t < length; t++) for (let c = 0; c < channels; c++) for (let h = 0; h < heads; h++) {
    let sum = 0;
    for (let s = 0; s <= t; s++) sum += k[(c * heads + h) * taps + t - s]! * x[(b * length + s) * heads + h]!;
    y[((b * length + t) * channels + c) * heads + h] = sum;
  }
  return tf.tensor(y, [batch, length, channels, heads]);
}

describe.each(variants)('kernels and recurrences on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });
  const shapes: Record<string, number[]> = { invDt: [4, 1], ARe: [2, 3], AIm: [2, 3], B: [2, 3, 2], C: [2, 4, 3, 2] };
  const tensors = (raw: Record<string, Float64Array>, rank: number): Record<string, Tensor> =>
    Object.fromEntries(Object.entries(raw).map(([key, values]) => [key, tf.tensor(Float32Array.from(values), key === 'P' ? [rank, 2, 3, 2] : shapes[key]!)]));

  it.each(['zoh', 'bilinear'] as const)('S4D by its kernel and by its recurrence, %s', (discretisation) => {
    tf.tidy(() => {
      const { P: _, ...p } = tensors(s4Raw(), 1), u = tf.tensor(Float32Array.from(random.normal(2 * 37 * 4)), [2, 37, 4]), given = p as never;
      expectTensorClose(s4dScan(u, given, { discretisation }).output, convolve(u, s4dKernel(given, 37, { discretisation })), { kind: 'output' });
    });
  });

  it.each([[1, 37], [1, 64], [2, 15], [1, 1], [2, 2]])('S4 by its kernel and by its recurrence, rank %i, %i nodes, and both gradients', (rank, nodes) => {
    tf.tidy(() => {
      const raw = s4Raw(rank), o = { ...SIZES, ...TRANSFORMS, steps: 1, rank };
      const p = tensors({ ...raw, C: s4CorrectedOutput(raw as never, o, nodes) }, rank), names = Object.keys(p);
      const impulse = tf.tensor(Float32Array.from({ length: nodes * 4 }, (_, i) => (i < 4 ? 1 : 0)), [1, nodes, 4]);
      const byKernel = (given: Record<string, Tensor>): Tensor => tf.transpose(s4Kernel(given as never, nodes, { kernelLength: nodes }), [2, 0, 1]);
      const byScan = (given: Record<string, Tensor>): Tensor => tf.squeeze(s4Scan(impulse, given as never, { kernelLength: nodes }).output, [0]);
      expectTensorClose(byScan(p), byKernel(p), { kind: 'output' });
      const weight = tf.tensor(Float32Array.from(random.normal(nodes * 8)), [nodes, 2, 4]);
      const slopes = (f: typeof byKernel): Tensor[] => tf.grads((...xs: Tensor[]) => tf.sum(tf.mul(f(Object.fromEntries(names.map((key, i) => [key, xs[i]!]))), weight)))(names.map((key) => p[key]!));
      const [one, other] = [slopes(byScan), slopes(byKernel)];
      names.forEach((key, i) => expectTensorClose(one[i]!, other[i]!, { kind: 'gradient', name: key }));
    });
  });

  it.each(['softmax', 'exp', 'clip-no-scale'] as const)('DSS by its kernel and by its recurrence, %s', (version) => {
    tf.tidy(() => {
      const p = {
        logDt: tf.tensor(Float32Array.from({ length: 8 }, (_, i) => -3 + i / 4), [4, 2]), Lambda: tf.tensor([-0.3, 1, -0.3, 3, -0.3, 8], [3, 2]), logNegRe: tf.fill([3], -0.7), lambdaIm: tf.tensor1d([1, 3, 8]),
        W: tf.tensor(Float32Array.from(random.normal(2 * 4 * 3 * 2)), [2, 4, 3, 2]),
      };
      const u = tf.tensor(Float32Array.from(random.normal(2 * 33 * 4)), [2, 33, 4]);
      expectTensorClose(dssScan(u, p, { version, kernelLength: 33 }).output, convolve(u, dssKernel(p, 33, { version })), { kind: 'output' });
    });
  });
});

it('kernels say what is wrong', () => {
  const z = (...shape: number[]): Tensor => tf.zeros(shape), p = { invDt: z(4, 1), ARe: z(2, 3), AIm: z(2, 3), B: z(2, 3, 2), C: z(1, 4, 3, 2) };
  expect(() => s4dKernel({ ...p, B: z(3, 3, 2) }, 4)).toThrowErrorMatchingInlineSnapshot(`[ShapeError: s4dKernel: B has shape [3, 3, 2], expected [2, 3, 2] ([S, N, 2]). Shapes are those of the official S4 code.]`);
  expect(() => s4dKernel({ ...p, ARe: z(3, 3) }, 4)).toThrow('divides H = 4');
  expect(() => s4dKernel(p, 0)).toThrow('length is 0');
  expect(() => s4dScan(z(1, 5, 4), p, { discretisation: 'dss' })).toThrow('depends on its length');
  expect(() => s4Kernel({ ...p, P: z(1, 2, 3, 2) }, 9, { kernelLength: 8 })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: s4Kernel: length is 9, expected at most 8 (kernelLength / rate). Run longer sequences by s4Scan, or correct C for a longer kernel.]`);
  expect(() => s4Kernel({ ...p, P: z(5, 2, 3, 2) }, 8, { kernelLength: 8 })).toThrow('expected 1 to 4');
  expect(() => dssKernel({ logDt: z(4), W: z(1, 4, 3, 2) }, 4)).toThrow("version 'softmax' needs Lambda");
});
