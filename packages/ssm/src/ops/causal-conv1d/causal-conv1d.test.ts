import { backendMatrix, checkOperation, expectGradient, expectTensorClose, kernelVariants, poisonOutputs, SeededValues, tensorsOf } from '@mamba360/testing';
import type { NamedArray } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { GradientError } from '../../errors/index.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { causalConv1d, causalConv1dStep } from './index.ts';
import { causalConv1dBackwardReference, causalConv1dForwardReference } from './reference.ts';
import type { CausalConv1dInputs } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

interface Setup { readonly batch?: number; readonly length?: number; readonly channels?: number; readonly width?: number; readonly options?: string; readonly scale?: number; readonly sequence?: SequenceOptions }
interface Example { readonly inputs: Record<string, NamedArray>; readonly silu: boolean; readonly sizes: { batch: number; length: number; channels: number; width: number }; readonly sequence: SequenceOptions }

/** Letters of options: b(ias) s(ilu) t(ail). */
function makeExample({ batch = 2, length = 9, channels = 5, width = 4, options = '', scale = 1, sequence = {} }: Setup, seed = 2): Example {
  const random = new SeededValues(seed);
  const normal = (shape: number[], deviation = 1): NamedArray => ({ shape, values: random.normal(shape.reduce((a, b) => a * b, 1), deviation) });
  return {
    silu: options.includes('s'), sizes: { batch, length, channels, width }, sequence,
    inputs: {
      x: normal([batch, length, channels], scale), weight: normal([channels, width]),
      ...(options.includes('b') ? { bias: normal([channels]) } : {}), ...(options.includes('t') ? { state: normal([batch, width - 1, channels]) } : {}),
    },
  };
}

const referenceOf = ({ inputs, silu, sizes, sequence }: Example): CausalConv1dInputs => ({
  ...sizes, silu, x: inputs['x']!.values, weight: inputs['weight']!.values, bias: inputs['bias']?.values, tail: inputs['state']?.values,
  control: controlBytes('test', sizes.batch, sizes.length, sequence),
});

const convolve = (t: Record<string, Tensor>, { silu, sequence }: Pick<Example, 'silu' | 'sequence'>) =>
  causalConv1d(t['x']!, t['weight']!, { bias: t['bias'], state: t['state'], activation: silu ? 'silu' : undefined, ...sequence });

const HOLES = [[true, false, true, true, false, false, true, true, true], [false, false, true, false, true, true, true, true, false]];
const PACKED = [[0, 0, 0, 1, 1, 2, 2, 2, 2], [5, 5, 5, 5, 5, 5, 3, 3, 5]];

const SETUPS: [string, Setup][] = [
  ...['', 'b', 's', 't', 'bst'].map((options): [string, Setup] => [`options '${options}'`, { options }]),
  ...[1, 2, 3, 4, 5, 8].map((width): [string, Setup] => [`width ${width}`, { width, options: 'bst' }]),
  ...[1, 2, 3, 63, 64, 65, 257].map((length): [string, Setup] => [`length ${length}`, { length, batch: 1, channels: 3, options: 'bst' }]),
  ['a sequence shorter than the window', { length: 2, width: 8, options: 'bst' }],
  ...[1, 15, 16, 17, 33].map((channels): [string, Setup] => [`${channels} channels`, { channels, options: 'bst' }]),
  ['values of 1e4', { scale: 1e4, options: 'bt' }],
  ['values of 1e4 through silu', { scale: 1e4, options: 'bst' }],
  ['lengths', { sequence: { lengths: [9, 0] }, options: 'bst' }],
  ['a mask with holes', { sequence: { mask: HOLES }, options: 'bst' }],
  ['packed segments', { sequence: { segments: PACKED }, options: 'bst' }],
  ['packed segments with holes', { sequence: { segments: PACKED, mask: HOLES }, options: 'bst', width: 3 }],
];

describe('convolution in float64', () => {
  it.each(['', 'bst'])("gradients, options '%s'", (options) => {
    const example = makeExample({ length: 6, channels: 2, width: 3, options, ...(options ? { sequence: { mask: HOLES.map((row) => row.slice(0, 6)), segments: PACKED.map((row) => row.slice(0, 6)) } } : {}) });
    const inputs = referenceOf(example);
    const random = new SeededValues(3);
    const { y, finalTail } = causalConv1dForwardReference(inputs);
    const dy = random.normal(y.length);
    const dTail = random.normal(finalTail.length);
    const loss = (): number => {
      const result = causalConv1dForwardReference(inputs);
      return result.y.reduce((sum, value, i) => sum + value * dy[i]!, 0) + result.finalTail.reduce((sum, value, i) => sum + value * dTail[i]!, 0);
    };
    const g = causalConv1dBackwardReference(inputs, dy, dTail);
    expectGradient('x', g.dx, loss, example.inputs['x']!.values);
    expectGradient('weight', g.dWeight, loss, example.inputs['weight']!.values);
    if (options) {
      expectGradient('bias', g.dBias, loss, example.inputs['bias']!.values);
      expectGradient('state', g.dTail, loss, example.inputs['state']!.values);
    }
  });

  it('is the sliding product by hand', () => {
    const { y, finalTail } = causalConv1dForwardReference({ batch: 1, length: 3, channels: 1, width: 3, silu: false, x: [1, 2, 3], weight: [100, 10, 1], tail: [8, 9] });
    expect([...y]).toEqual([891, 912, 123]);
    expect([...finalTail]).toEqual([2, 3]);
  });
});

describe.each(variants)('causalConv1d on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each(SETUPS)('equals the float64 reference: %s', (_label, setup) => {
    const example = makeExample(setup);
    const inputs = referenceOf(example);
    const { y, finalTail } = causalConv1dForwardReference(inputs);
    checkOperation({
      tf, inputs: example.inputs,
      run: (tensors) => {
        const { output, state } = convolve(tensors, example);
        return { output, state };
      },
      expected: { output: y, state: finalTail },
      expectedGradients: (slopes) => {
        const g = causalConv1dBackwardReference(inputs, slopes['output']!, slopes['state']);
        return { x: g.dx, weight: g.dWeight, bias: g.dBias, state: g.dTail };
      },
    });
  });

  it.each([1, 2, 4])('gives one result whole, in chunks at random places, and step by step: width %i', (width) => {
    const example = makeExample({ length: 21, width, options: 'bst' });
    const random = new SeededValues(8);
    tf.tidy(() => {
      const t = tensorsOf(tf, example.inputs);
      const whole = convolve(t, example);
      const slice = (from: number, to: number): Tensor => tf.slice(t['x']!, [0, from], [2, to - from]);
      for (let round = 0; round < 3; round++) {
        let state = t['state']!;
        const outputs: Tensor[] = [];
        for (let from = 0; from < 21;) {
          const to = Math.min(21, from + random.integer(1, 6));
          const part = convolve({ ...t, x: slice(from, to), state }, example);
          outputs.push(part.output);
          state = part.state;
          from = to;
        }
        expectTensorClose(tf.concat(outputs, 1), whole.output, { kind: 'output' });
        expectTensorClose(state, whole.state, { kind: 'state' });
      }
      let state = t['state']!;
      const outputs: Tensor[] = [];
      for (let at = 0; at < 21; at++) {
        const step = causalConv1dStep(state, tf.squeeze(slice(at, at + 1), [1]), t['weight']!, { bias: t['bias'], activation: 'silu' });
        outputs.push(step.output);
        state = step.state;
      }
      expectTensorClose(tf.stack(outputs, 1), whole.output, { kind: 'output' });
      expectTensorClose(state, whole.state, { kind: 'state' });
    });
  });

  it('leaves masked steps out of the window, what stands there does not matter', () => {
    const example = makeExample({ options: 'bs', sequence: { mask: HOLES } });
    tf.tidy(() => {
      const t = tensorsOf(tf, example.inputs);
      const poisoned = tf.tensor(Float32Array.from(example.inputs['x']!.values, (value, i) => (HOLES[Math.floor(i / 45)]![Math.floor(i / 5) % 9] ? value : Number.NaN)), [2, 9, 5], 'float32');
      const padded = convolve({ ...t, x: poisoned }, example);
      const steps = tf.tensor1d([0, 2, 3, 6, 7, 8], 'int32');
      const alone = convolve({ ...t, x: tf.gather(tf.slice(t['x']!, [0], [1]), steps, 1) }, { silu: true, sequence: {} });
      expectTensorClose(tf.gather(tf.slice(padded.output, [0], [1]), steps, 1), alone.output, { kind: 'output' });
      expectTensorClose(tf.slice(padded.state, [0], [1]), alone.state, { kind: 'state' });
      expect([...tf.gather(tf.slice(padded.output, [1], [1]), tf.tensor1d([0, 1, 3, 8], 'int32'), 1).dataSync()]).toEqual(Array<number>(20).fill(0));
    });
  });

  it('passes NaN and infinities on as far as the window reaches', () => {
    tf.tidy(() => {
      for (const value of [Number.NaN, -Infinity]) {
        for (const activation of ['silu', undefined] as const) {
          const output = causalConv1d(tf.tensor([value, 1, 1, 1, 1], [1, 5, 1]), tf.ones([1, 3]), { activation }).output.dataSync();
          const expected = value === -Infinity && activation === undefined ? -Infinity : Number.NaN;
          expect([...output].slice(0, 3), String(activation)).toEqual([expected, expected, expected]);
          expect(output[3]).toSatisfy(Number.isFinite);
        }
      }
    });
  });

  it('takes an empty batch and refuses a second gradient', () => {
    tf.tidy(() => {
      const t = tensorsOf(tf, makeExample({ batch: 0, options: 'bst' }).inputs);
      expect(convolve(t, { silu: true, sequence: {} }).state.shape).toEqual([0, 3, 5]);
      const full = tensorsOf(tf, makeExample({}).inputs);
      const inner = (x: Tensor): Tensor => tf.grad((y: Tensor) => tf.sum(convolve({ ...full, x: y }, { silu: true, sequence: {} }).output))(x);
      expect(() => tf.grad((x: Tensor) => tf.sum(inner(x)))(full['x']!)).toThrow(GradientError);
    });
  });
});

it('causalConv1d says what is wrong', () => {
  const t = (shape: number[]): Tensor => tf.zeros(shape);
  expect(() => causalConv1d(t([2, 8, 5]), t([4, 5]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: causalConv1d: weight has shape [4, 5], expected [5, 5] ([E, W], E as x). Give one row of W taps for each channel of x.]`);
  expect(() => causalConv1d(t([2, 8, 5]), t([5, 0]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: causalConv1d: weight has shape [5, 0], expected at least one tap (W >= 1). Give one row of W taps for each channel of x.]`);
  expect(() => causalConv1d(t([8, 5]), t([5, 4]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: causalConv1d: x has shape [8, 5], expected 3 axes ([B, L, E]). Add a batch axis of 1 to a single sequence with tf.expandDims(x, 0).]`);
  expect(() => causalConv1d(t([2, 8, 5]), t([5, 4]), { bias: t([4]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: causalConv1d: bias has shape [4], expected [5] ([E]). Give one bias for each channel of x.]`);
  expect(() => causalConv1d(t([2, 8, 5]), t([5, 4]), { state: t([2, 4, 5]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: causalConv1d: state has shape [2, 4, 5], expected [2, 3, 5] ([B, W-1, E]). Pass the state that an earlier call with the same batch returned.]`);
  expect(() => causalConv1d(t([2, 8, 5]), t([5, 4]), { activation: 'relu' as never })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: causalConv1d: activation is 'relu', expected 'silu' or nothing. Apply another activation to the output.]`);
  expect(() => causalConv1dStep(t([2, 3, 5]), t([2, 1, 5]), t([5, 4]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: causalConv1dStep: x has shape [2, 1, 5], expected 2 axes ([B, E]). Pass one step of each sequence, without the L axis.]`);
});
