import { backendMatrix, checkOperation, expectGradient, expectTensorClose, kernelVariants, poisonOutputs, SeededValues, tensorsOf } from '@mamba360/testing';
import type { NamedArray } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { GradientError } from '../../errors/index.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { tokenShift, tokenShiftStep } from './index.ts';
import { tokenShiftBackwardReference, tokenShiftForwardReference } from './reference.ts';
import type { TokenShiftInputs } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

interface Setup { readonly batch?: number; readonly length?: number; readonly channels?: number; readonly options?: string; readonly scale?: number; readonly sequence?: SequenceOptions }
interface Example { readonly inputs: Record<string, NamedArray>; readonly reference: TokenShiftInputs; readonly sequence: SequenceOptions }

/** Letters of options: m(ix) s(tate). */
function makeExample({ batch = 2, length = 9, channels = 5, options = 'ms', scale = 1, sequence = {} }: Setup): Example {
  const random = new SeededValues(4);
  const normal = (shape: number[], deviation = 1): NamedArray => ({ shape, values: random.normal(shape.reduce((a, b) => a * b, 1), deviation) });
  const inputs = {
    x: normal([batch, length, channels], scale), ...(options.includes('m') ? { mix: normal([channels]) } : {}), ...(options.includes('s') ? { state: normal([batch, channels]) } : {}),
  } as Record<string, NamedArray>;
  return {
    inputs, sequence,
    reference: { batch, length, channels, x: inputs['x']!.values, mix: inputs['mix']?.values, state: inputs['state']?.values, control: controlBytes('test', batch, length, sequence) },
  };
}

const shift = (t: Record<string, Tensor>, sequence: SequenceOptions) => tokenShift(t['x']!, { mix: t['mix'], state: t['state'], ...sequence });

const HOLES = [[true, false, true, true, false, false, true, true, true], [false, false, true, false, true, true, true, true, false]];
const PACKED = [[0, 0, 0, 1, 1, 2, 2, 2, 2], [5, 5, 5, 5, 5, 5, 3, 3, 5]];

const SETUPS: [string, Setup][] = [
  ...['', 'm', 's', 'ms'].map((options): [string, Setup] => [`options '${options}'`, { options }]),
  ...[1, 2, 3, 63, 64, 65, 257].map((length): [string, Setup] => [`length ${length}`, { length, batch: 1, channels: 3 }]),
  ...[1, 15, 16, 17, 33].map((channels): [string, Setup] => [`${channels} channels`, { channels }]),
  ['values of 1e4', { scale: 1e4 }],
  ['lengths', { sequence: { lengths: [9, 0] } }],
  ['a mask with holes', { sequence: { mask: HOLES } }],
  ['packed segments with holes', { sequence: { segments: PACKED, mask: HOLES } }],
  ['packed segments, without mix', { sequence: { segments: PACKED }, options: 's' }],
];

describe('token shift in float64', () => {
  it.each(['', 'ms'])("gradients, options '%s'", (options) => {
    const { inputs, reference } = makeExample({ length: 6, channels: 2, options, sequence: options ? { mask: HOLES.map((row) => row.slice(0, 6)), segments: PACKED.map((row) => row.slice(0, 6)) } : {} });
    const random = new SeededValues(3);
    const { y, finalState } = tokenShiftForwardReference(reference);
    const [dy, dFinal] = [random.normal(y.length), random.normal(finalState.length)];
    const loss = (): number => {
      const result = tokenShiftForwardReference(reference);
      return result.y.reduce((sum, value, i) => sum + value * dy[i]!, 0) + result.finalState.reduce((sum, value, i) => sum + value * dFinal[i]!, 0);
    };
    const g = tokenShiftBackwardReference(reference, dy, dFinal);
    expectGradient('x', g.dx, loss, inputs['x']!.values);
    if (options) {
      expectGradient('mix', g.dMix, loss, inputs['mix']!.values);
      expectGradient('state', g.dState, loss, inputs['state']!.values);
    }
  });

  it('is the mixture by hand', () => {
    const { y, finalState } = tokenShiftForwardReference({ batch: 1, length: 3, channels: 1, x: [1, 2, 4], mix: [0.25], state: [8] });
    expect([...y]).toEqual([6.25, 1.25, 2.5]);
    expect([...finalState]).toEqual([4]);
  });
});

describe.each(variants)('tokenShift on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each(SETUPS)('equals the float64 reference: %s', (_label, setup) => {
    const { inputs, reference, sequence } = makeExample(setup);
    const { y, finalState } = tokenShiftForwardReference(reference);
    checkOperation({
      tf, inputs, run: (t) => { const { output, state } = shift(t, sequence); return { output, state }; },
      expected: { output: y, state: finalState },
      expectedGradients: (slopes) => {
        const g = tokenShiftBackwardReference(reference, slopes['output']!, slopes['state']);
        return { x: g.dx, mix: g.dMix, state: g.dState };
      },
    });
  });

  it('gives one result whole, in chunks at random places, and step by step', () => {
    const { inputs } = makeExample({ length: 21 });
    const random = new SeededValues(8);
    tf.tidy(() => {
      const t = tensorsOf(tf, inputs);
      const whole = shift(t, {});
      const run = (next: () => number): void => {
        let state = t['state']!;
        const outputs: Tensor[] = [];
        for (let from = 0; from < 21;) {
          const count = next();
          const part = tf.slice(t['x']!, [0, from], [2, Math.min(count, 21 - from)]);
          const single = count === 0;
          const result = single ? tokenShiftStep(state, tf.squeeze(tf.slice(t['x']!, [0, from], [2, 1]), [1]), { mix: t['mix'] }) : tokenShift(part, { mix: t['mix'], state });
          outputs.push(single ? tf.expandDims(result.output, 1) : result.output);
          state = result.state;
          from += single ? 1 : part.shape[1]!;
        }
        expectTensorClose(tf.concat(outputs, 1), whole.output, { kind: 'output' });
        expectTensorClose(state, whole.state, { kind: 'state' });
      };
      for (let round = 0; round < 3; round++) run(() => random.integer(1, 6));
      run(() => 0);
    });
  });

  it('passes NaN on for one step, ignores it at masked steps, takes an empty batch and refuses a second gradient', () => {
    tf.tidy(() => {
      const x = tf.tensor([1, Number.NaN, 1, 1], [1, 4, 1]);
      const mix = tf.tensor([0.5]);
      expect([...tokenShift(x, { mix }).output.dataSync()].map(Number.isNaN)).toEqual([false, true, true, false]);
      expect([...tokenShift(x, { mix, mask: [[true, false, true, true]] }).output.dataSync()]).toEqual([0.5, 0, 1, 1]);
      expect(tokenShift(tf.zeros([0, 4, 3])).state.shape).toEqual([0, 3]);
      const inner = (value: Tensor): Tensor => tf.grad((y: Tensor) => tf.sum(tokenShift(y, { mix }).output))(value);
      expect(() => tf.grad((value: Tensor) => tf.sum(inner(value)))(tf.ones([1, 2, 1]))).toThrow(GradientError);
    });
  });
});

it('tokenShift says what is wrong', () => {
  const t = (shape: number[]): Tensor => tf.zeros(shape);
  expect(() => tokenShift(t([2, 5]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: tokenShift: x has shape [2, 5], expected 3 axes ([B, L, D]). Add a batch axis of 1 to a single sequence with tf.expandDims(x, 0).]`);
  expect(() => tokenShift(t([2, 5, 3]), { mix: t([2]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: tokenShift: mix has shape [2], expected [3] ([D], D as x). Give one share for each channel of x.]`);
  expect(() => tokenShift(t([2, 5, 3]), { state: t([2, 1, 3]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: tokenShift: state has shape [2, 1, 3], expected [2, 3] ([B, D]). Pass the state that an earlier call with the same batch returned.]`);
  expect(() => tokenShiftStep(t([2, 3]), t([2, 1, 3]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: tokenShiftStep: x has shape [2, 1, 3], expected 2 axes ([B, D]). Pass one step of each sequence, without the L axis.]`);
});
