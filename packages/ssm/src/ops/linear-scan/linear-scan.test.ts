import { backendMatrix, checkOperation, expectGradient, expectNoLeaks, expectTensorClose, kernelVariants, poisonOutputs, SeededValues, tensorsOf } from '@mamba360/testing';
import type { NamedArray, NamedArrays } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { GradientError } from '../../errors/index.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { linearScan, linearScanStep } from './index.ts';
import { linearScanBackwardReference, linearScanForwardReference } from './reference.ts';
import type { LinearScanInputs } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

interface Setup {
  readonly batch?: number; readonly length?: number; readonly channels?: number;
  readonly options?: string; // letters: c(omplex) r(eal b) v(arying a) s(tate) b(ackwards in time)
  readonly size?: number; readonly scale?: number; readonly sequence?: SequenceOptions;
}
interface Example { readonly inputs: Record<string, NamedArray>; readonly options: string; readonly sequence: SequenceOptions; readonly reference: LinearScanInputs }

/** |a| is between half of `size` and `size`. */
function makeExample({ batch = 2, length = 9, channels = 5, options = '', size = 0.95, scale = 1, sequence = {} }: Setup, seed = 1): Example {
  const random = new SeededValues(seed);
  const has = (letter: string): boolean => options.includes(letter);
  const count = (shape: number[]): number => shape.reduce((a, b) => a * b, 1);
  const normal = (shape: number[], deviation = 1): NamedArray => ({ shape, values: random.normal(count(shape), deviation) });
  const whole = [batch, length, channels];
  const decay = has('v') ? whole : [channels];
  const modulus = random.between(count(decay), size / 2, size);
  const phase = random.between(count(decay), -3, 3);
  const inputs: Record<string, NamedArray> = {
    b: normal(whole, scale), ...(has('c') && !has('r') ? { bIm: normal(whole, scale) } : {}),
    a: { shape: decay, values: modulus.map((r, i) => Math.fround(has('c') ? r * Math.cos(phase[i]!) : phase[i]! < -2 ? -r : r)) },
    ...(has('c') ? { aIm: { shape: decay, values: modulus.map((r, i) => Math.fround(r * Math.sin(phase[i]!))) } } : {}),
    ...(has('s') ? { state: normal([batch, channels]) } : {}), ...(has('s') && has('c') ? { stateIm: normal([batch, channels]) } : {}),
  };
  const v = (name: string) => inputs[name]?.values;
  return {
    inputs, options, sequence,
    reference: {
      batch, length, channels, varying: has('v'), reverse: has('b'), b: v('b')!, bIm: v('bIm'), a: v('a')!, aIm: v('aIm'), initial: v('state'), initialIm: v('stateIm'),
      control: controlBytes('test', batch, length, sequence, has('b')),
    },
  };
}

type Tensors = Record<string, Tensor>;

/** Outputs by name; the imaginary parts only in the complex form. */
function scan(t: Tensors, { options, sequence }: Pick<Example, 'options' | 'sequence'>): Tensors {
  const reverse = options.includes('b');
  if (!options.includes('c')) return linearScan(t['a']!, t['b']!, { state: t['state'], reverse, ...sequence });
  const { output, state } = linearScan({ re: t['a']!, im: t['aIm']! }, t['bIm'] ? { re: t['b']!, im: t['bIm'] } : t['b']!, {
    ...(t['state'] ? { state: { re: t['state'], im: t['stateIm']! } } : {}), reverse, ...sequence,
  });
  return { output: output.re, outputIm: output.im, state: state.re, stateIm: state.im };
}

function check({ inputs, options, sequence, reference }: Example): void {
  const { x, xIm, final, finalIm } = linearScanForwardReference(reference);
  checkOperation({
    tf, inputs, run: (tensors) => scan(tensors, { options, sequence }),
    expected: { output: x, state: final, ...(options.includes('c') ? { outputIm: xIm, stateIm: finalIm } : {}) },
    expectedGradients: (slopes) => {
      const g = linearScanBackwardReference(reference, { dx: slopes['output']!, dxIm: slopes['outputIm'], dFinal: slopes['state'], dFinalIm: slopes['stateIm'] });
      return { b: g.db, bIm: g.dbIm, a: g.da, aIm: g.daIm, state: g.dInitial, stateIm: g.dInitialIm };
    },
  });
}

const HOLES = [[true, false, true, true, false, false, true, true, true], [false, false, true, false, true, true, true, true, false]];
const PACKED = [[0, 0, 0, 1, 1, 2, 2, 2, 2], [5, 5, 5, 5, 5, 5, 3, 3, 5]];
const FORMS = ['', 'v', 'c', 'cv', 'cr', 'crv'];
const each = (label: string, setup: Setup, forms = FORMS): [string, Setup][] =>
  forms.flatMap((form) => ['s', 'bs'].map((more): [string, Setup] => [`${label}, '${form}${more}'`, { ...setup, options: `${form}${more}` }]));

const SETUPS: [string, Setup][] = [
  ...FORMS.flatMap((form) => ['', 'b'].map((more): [string, Setup] => [`no state, '${form}${more}'`, { options: `${form}${more}` }])),
  ...each('a state', {}),
  ...[1, 2, 3, 31, 32, 33, 63, 64, 65, 257].flatMap((length) => each(`length ${length}`, { length, batch: 1 }, ['', 'cv'])),
  ...[1, 4, 7, 8, 15, 16, 17, 31, 33, 64, 65, 130].flatMap((channels) => each(`${channels} channels`, { channels, length: 5 }, ['v', 'c'])),
  ...each('wide blocks and a rest', { batch: 5, channels: 270, length: 34 }, ['', 'cv']),
  ...each('a of size 1e-6', { size: 1e-6 }, ['', 'cv']),
  ...each('a of 0', { size: 0 }, ['v', 'c']),
  ...each('|a| just below 1 over a long sequence', { size: 0.9999, length: 700, batch: 1 }, ['c', 'cv']),
  ...each('values of 1e4', { scale: 1e4 }, ['', 'cv']),
  ...each('lengths', { sequence: { lengths: [9, 4] } }),
  ...each('a mask with holes', { sequence: { mask: HOLES } }),
  ...each('packed segments', { sequence: { segments: PACKED } }),
  ...each('packed segments with holes and an earlier segment', { sequence: { segments: PACKED, mask: HOLES, previousSegments: [0, 4] } }),
  ...each('a sequence masked throughout', { sequence: { lengths: [0, 9] } }, ['', 'cv']),
  ...each('a long mask over checkpoints', { batch: 1, length: 200, sequence: { mask: [Array.from({ length: 200 }, (_, t) => t % 3 !== 0)] } }, ['', 'cv']),
];

describe('linearScan in float64', () => {
  it.each(['s', 'vs', 'cs', 'cvbs'])('gradients equal central differences: %s', (options) => {
    const { inputs, reference } = makeExample({ length: 6, channels: 3, options, sequence: { mask: HOLES.map((row) => row.slice(0, 6)), segments: PACKED.map((row) => row.slice(0, 6)) } });
    const random = new SeededValues(3);
    const forward = linearScanForwardReference(reference);
    const slopes = { dx: random.normal(forward.x.length), dxIm: random.normal(forward.x.length), dFinal: random.normal(6), dFinalIm: random.normal(6) };
    const dot = (a: ArrayLike<number>, b: Float64Array): number => b.reduce((sum, value, i) => sum + value * a[i]!, 0);
    const loss = (): number => {
      const { x, xIm, final, finalIm } = linearScanForwardReference(reference);
      return dot(x, slopes.dx) + dot(final, slopes.dFinal) + (options.includes('c') ? dot(xIm, slopes.dxIm) + dot(finalIm, slopes.dFinalIm) : 0);
    };
    const g = linearScanBackwardReference(reference, options.includes('c') ? slopes : { dx: slopes.dx, dFinal: slopes.dFinal });
    const all = { b: g.db, bIm: g.dbIm, a: g.da, aIm: g.daIm, state: g.dInitial, stateIm: g.dInitialIm };
    for (const [name, { values }] of Object.entries(inputs)) expectGradient(name, all[name as keyof typeof all], loss, values);
  });

  it('is the recurrence by hand', () => {
    const { x, final } = linearScanForwardReference({ batch: 1, length: 3, channels: 1, varying: true, reverse: false, a: [2, 3, 4], b: [1, 10, 100], initial: [5] });
    expect([...x, ...final]).toEqual([11, 43, 272, 272]);
    const backwards = linearScanForwardReference({ batch: 1, length: 3, channels: 1, varying: true, reverse: true, a: [2, 3, 4], b: [1, 10, 100], initial: [5] });
    expect([...backwards.x, ...backwards.final]).toEqual([741, 370, 120, 741]);
    const turning = linearScanForwardReference({ batch: 1, length: 2, channels: 1, varying: false, reverse: false, a: [0], aIm: [1], b: [1, 1] });
    expect([...turning.x, ...turning.xIm]).toEqual([1, 1, 0, 1]);
  });
});

describe.each(variants)('linearScan on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each(SETUPS)('equals the float64 reference: %s', (_label, setup) => check(makeExample(setup)));

  it('takes an empty batch', () => {
    for (const options of ['', 'cvs']) {
      tf.tidy(() => {
        const example = makeExample({ batch: 0, options });
        const t = tensorsOf(tf, example.inputs);
        expect(scan(t, example)['state']!.shape).toEqual([0, 5]);
        expect(tf.grad((a: Tensor) => tf.sum(scan({ ...t, a }, example)['output']!))(t['a']!).dataSync().every((value) => value === 0)).toBe(true);
      });
    }
  });

  it.each(['s', 'vs', 'cs', 'cvs', 'bvs', 'bcs'])('gives one result whole, in chunks at random places, and step by step: %s', (options) => {
    const example = makeExample({ length: 75, options });
    const random = new SeededValues(9);
    const backwards = options.includes('b');
    tf.tidy(() => {
      const t = tensorsOf(tf, example.inputs);
      const whole = scan(t, example);
      const cut = (from: number, to: number): Tensors => Object.fromEntries(Object.entries(t).map(([key, tensor]) =>
        [key, tensor.shape.length === 3 ? tf.slice(tensor, [0, backwards ? 75 - to : from], [2, to - from]) : tensor]));
      const stateOf = (result: Tensors): Tensors => ({ state: result['state']!, ...(result['stateIm'] ? { stateIm: result['stateIm'] } : {}) });
      for (let round = 0; round < 3; round++) {
        let state = stateOf(t);
        const parts: Tensors[] = [];
        for (let from = 0; from < 75;) {
          const to = Math.min(75, from + random.integer(1, 40));
          parts.push(scan({ ...cut(from, to), ...state }, example));
          state = stateOf(parts.at(-1)!);
          from = to;
        }
        for (const key of ['output', 'outputIm'].filter((output) => output in whole)) {
          expectTensorClose(tf.concat(parts.map((part) => part[key]!)[backwards ? 'reverse' : 'slice'](), 1), whole[key]!, { kind: 'output', name: key });
        }
        expectTensorClose(state['state']!, whole['state']!, { kind: 'state' });
      }
      let state = stateOf(t);
      for (let step = 0; step < 75; step++) {
        const now = Object.fromEntries(Object.entries(cut(step, step + 1)).map(([key, tensor]) => [key, tensor.shape.length === 3 ? tf.squeeze(tensor, [1]) : tensor]));
        const place = backwards ? 74 - step : step;
        if (options.includes('c')) {
          const next = linearScanStep({ re: state['state']!, im: state['stateIm']! }, { re: now['a']!, im: now['aIm']! }, { re: now['b']!, im: now['bIm']! });
          state = { state: next.re, stateIm: next.im };
        } else state = { state: linearScanStep(state['state']!, now['a']!, now['b']!) };
        expectTensorClose(state['state']!, tf.squeeze(tf.slice(whole['output']!, [0, place], [2, 1]), [1]), { kind: 'output', name: `step ${step}` });
      }
      expectTensorClose(state['state']!, whole['state']!, { kind: 'state' });
    });
  });

  it('real form: whole, chunks and steps agree bit for bit', () => {
    tf.tidy(() => {
      const example = makeExample({ length: 70, channels: 37, options: 'vs' });
      const t = tensorsOf(tf, example.inputs);
      const whole = scan(t, example);
      const part = (key: string, from: number, to: number): Tensor => tf.slice(t[key]!, [0, from], [2, to - from]);
      const first = linearScan(part('a', 0, 41), part('b', 0, 41), { state: t['state'] });
      const rest = linearScan(part('a', 41, 70), part('b', 41, 70), { state: first.state });
      expect([...tf.concat([first.output, rest.output], 1).dataSync()]).toEqual([...whole['output']!.dataSync()]);
      const step = linearScanStep(first.state, tf.squeeze(part('a', 41, 42), [1]), tf.squeeze(part('b', 41, 42), [1]));
      expect([...step.dataSync()]).toEqual([...tf.slice(whole['output']!, [0, 41], [2, 1]).dataSync()]);
    });
  });

  it('reverse equals a turned forward scan', () => {
    for (const options of ['vs', 'cvs']) {
      tf.tidy(() => {
        const example = makeExample({ length: 40, options });
        const t = tensorsOf(tf, example.inputs);
        const turned = Object.fromEntries(Object.entries(t).map(([key, tensor]) => [key, tensor.shape.length === 3 ? tf.reverse(tensor, 1) : tensor]));
        const there = scan(turned, example);
        const back = scan(t, { ...example, options: `${options}b` });
        expect([...tf.reverse(back['output']!, 1).dataSync()]).toEqual([...there['output']!.dataSync()]);
        expect([...back['state']!.dataSync()]).toEqual([...there['state']!.dataSync()]);
      });
    }
  });

  it('gives a batch what each of its sequences gets alone, wherever padding stands', () => {
    for (const options of ['v', 'c']) {
      const example = makeExample({ options });
      tf.tidy(() => {
        const t = tensorsOf(tf, example.inputs);
        const padded = scan(t, { options, sequence: { mask: [HOLES[0]!, PACKED[0]!.map((_, at) => at >= 4)] } });
        for (const [row, steps] of [[0, [0, 2, 3, 6, 7, 8]], [1, [4, 5, 6, 7, 8]]] as const) {
          const pick = (tensor: Tensor): Tensor => (tensor.shape.length === 3 ? tf.gather(tf.slice(tensor, [row], [1]), tf.tensor1d([...steps], 'int32'), 1) : tensor);
          const alone = scan(Object.fromEntries(Object.entries(t).map(([key, tensor]) => [key, pick(tensor)])), { options, sequence: {} });
          expect([...pick(padded['output']!).dataSync()]).toEqual([...alone['output']!.dataSync()]);
          expect([...tf.slice(padded['state']!, [row], [1]).dataSync()]).toEqual([...alone['state']!.dataSync()]);
        }
        expect([...tf.slice(padded['output']!, [1, 0], [1, 4]).dataSync()].every((value) => value === 0)).toBe(true);
      });
    }
  });

  it('passes NaN and infinities on instead of hiding them', () => {
    tf.tidy(() => {
      for (const value of [Number.NaN, -Infinity, Infinity]) {
        const b = tf.tensor([1, 1, value, 1, 1, 1, 1, 1], [1, 4, 2]);
        const output = [...linearScan(tf.tensor1d([0.5, 0.5]), b).output.dataSync()];
        expect(output.filter((_, i) => i % 2 === 0)).toEqual([1, value, value, value]);
        expect(output.filter((_, i) => i % 2 === 1)).toEqual([1, 1.5, 1.75, 1.875]);
        const complex = linearScan({ re: tf.tensor1d([0.5, 0.5]), im: tf.zeros([2]) }, b).output.re.dataSync();
        expect([2, 4, 6].every((i) => !Number.isFinite(complex[i]))).toBe(true);
        expect([...complex].filter((_, i) => i % 2 === 1)).toEqual([1, 1.5, 1.75, 1.875]);
      }
      expect(linearScan(tf.tensor1d([Number.NaN]), tf.ones([1, 3, 1])).output.dataSync().every(Number.isNaN)).toBe(true);
    });
  });

  it.each(['vs', 'cvs', 'bs'])('ignores what stands at masked steps, NaN too, forward and backward: %s', (options) => {
    const example = makeExample({ options, sequence: { mask: HOLES } });
    const poisoned: NamedArrays = Object.fromEntries(Object.entries(example.inputs).map(([key, { shape, values }]) =>
      [key, { shape, values: shape.length === 3 ? values.map((value, i) => (HOLES[Math.floor(i / 45)]![Math.floor(i / 5) % 9] ? value : Number.NaN)) : values }]));
    tf.tidy(() => {
      const names = Object.keys(example.inputs);
      const results = [example.inputs, poisoned].map((inputs) => {
        const t = tensorsOf(tf, inputs);
        const { value, grads } = tf.engine().gradients(() => {
          const result = scan(t, example);
          return tf.addN([tf.sum(tf.square(result['output']!)), tf.sum(result['state']!)]);
        }, names.map((key) => t[key]!));
        return [value, ...grads].map((tensor) => [...tensor.dataSync()]);
      });
      expect(results[1]).toEqual(results[0]);
    });
  });

  it('carries complex states in double: |a| = 1 - 1e-7 over 20,000 steps', () => {
    const [length, angle, modulus] = [20_000, 0.3, 1 - 1e-7];
    const [re, im] = [Math.fround(modulus * Math.cos(angle)), Math.fround(modulus * Math.sin(angle))];
    const b = new SeededValues(5).normal(length).map(Math.fround);
    const { x, xIm } = linearScanForwardReference({ batch: 1, length, channels: 1, varying: false, reverse: false, a: [re], aIm: [im], b });
    tf.tidy(() => {
      const { output } = linearScan({ re: tf.tensor1d([re]), im: tf.tensor1d([im]) }, tf.tensor(Float32Array.from(b), [1, length, 1]));
      expectTensorClose(output.re, x, { kind: 'output' });
      expectTensorClose(output.im, xIm, { kind: 'output' });
    });
  });

  it('refuses a second gradient', () => {
    tf.tidy(() => {
      const example = makeExample({});
      const t = tensorsOf(tf, example.inputs);
      const inner = (b: Tensor): Tensor => tf.grad((x: Tensor) => tf.sum(tf.square(scan({ ...t, b: x }, example)['output']!)))(b);
      expect(() => tf.grad((b: Tensor) => tf.sum(inner(b)))(t['b']!)).toThrow(GradientError);
    });
  });

  it('trains by optimizer.minimize without leaving tensors', () => {
    const example = makeExample({ options: 'c' });
    const t = tf.tidy(() => Object.fromEntries(Object.entries(tensorsOf(tf, example.inputs)).map(([key, tensor]) => [key, tf.keep(tensor)])));
    const variable = tf.variable(t['a']!);
    const optimizer = tf.train.sgd(1e-3);
    const loss = (): Tensor => tf.mean(tf.square(scan({ ...t, a: variable }, example)['output']!));
    const first = tf.tidy(() => loss().dataSync()[0]!);
    optimizer.minimize(loss as never);
    expectNoLeaks(tf.memory, () => { for (let i = 0; i < 5; i++) optimizer.minimize(loss as never); });
    expect(tf.tidy(() => loss().dataSync()[0]!)).toBeLessThan(first);
    variable.dispose();
    optimizer.dispose();
    tf.dispose(t);
  });
});

it('linearScan says what is wrong', () => {
  const t = (shape: number[], dtype: 'float32' | 'int32' = 'float32'): Tensor => tf.zeros(shape, dtype);
  const pair = (shape: number[]) => ({ re: t(shape), im: t(shape) });
  expect(() => linearScan(t([4]), t([2, 8, 5]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: linearScan: a has shape [4], expected [5] ([E], E as b). Pass [E] for a decay that is the same at every step, [B, L, E] for one that varies.]`);
  expect(() => linearScan(t([2, 8]), t([2, 8, 5]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: linearScan: a has shape [2, 8], expected [E] or [B, L, E]. Pass [E] for a decay that is the same at every step, [B, L, E] for one that varies.]`);
  expect(() => linearScan(t([2, 5, 8]), t([2, 8, 5]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: linearScan: a has shape [2, 5, 8], expected [2, 8, 5] ([B, L, E], as b). Pass [E] for a decay that is the same at every step, [B, L, E] for one that varies.]`);
  expect(() => linearScan(t([5]), t([8, 5]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: linearScan: b has shape [8, 5], expected 3 axes ([B, L, E]). Add a batch axis of 1 to a single sequence with tf.expandDims(x, 0).]`);
  expect(() => linearScan(t([5]), t([2, 0, 5]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: linearScan: b has shape [2, 0, 5], expected at least one step ([B, L, E], L >= 1). Leave the call out where there is nothing to process.]`);
  expect(() => linearScan(t([5], 'int32'), t([2, 8, 5]))).toThrowErrorMatchingInlineSnapshot(`[ConfigError: linearScan: a has dtype int32, expected float32. Cast it with tf.cast(a, 'float32').]`);
  expect(() => linearScan(t([5]), t([2, 8, 5]), { state: t([5, 2]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: linearScan: state has shape [5, 2], expected [2, 5] ([B, E]). Pass the state that an earlier call with the same batch returned.]`);
  expect(() => linearScan(pair([5]), { re: t([2, 8, 5]), im: t([2, 8, 4]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: linearScan: b.im has shape [2, 8, 4], expected [2, 8, 5] ([B, L, E], as b.re). If your data is channels first, transpose it.]`);
  expect(() => linearScan(t([5]), pair([2, 8, 5]) as never)).toThrowErrorMatchingInlineSnapshot(`[ConfigError: linearScan: b is complex but a is real, expected a complex a. Pass a as { re, im } (im may be zeros).]`);
  expect(() => linearScan(pair([5]), pair([2, 8, 5]), { state: t([2, 5]) as never })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: linearScan: state is real but a is complex, expected both of one kind. Pass the state that an earlier call returned.]`);
  expect(() => linearScanStep(t([2, 5]), t([5]), t([2, 1, 5]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: linearScanStep: b has shape [2, 1, 5], expected 2 axes ([B, E]). Pass one step of each sequence, without the L axis.]`);
});
