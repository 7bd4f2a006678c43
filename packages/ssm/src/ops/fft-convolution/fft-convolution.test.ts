import { backendMatrix, checkOperation, expectGradient, expectTensorClose, kernelVariants, poisonOutputs, SeededValues, tensorsOf } from '@mamba360/testing';
import type { NamedArray } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { GradientError } from '../../errors/index.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { bidirectionalFftConvolution, fftConvolution, fftConvolution2d, fftConvolutionStep } from './index.ts';
import type { FftConvolutionMethod } from './index.ts';
import { fftConvolutionBackwardReference, fftConvolutionForwardReference } from './reference.ts';
import type { FftConvolutionInputs } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

interface Setup {
  readonly batch?: number; readonly length?: number; readonly channels?: number; readonly taps?: number; readonly kernels?: number; readonly reverse?: number;
  readonly options?: string; readonly scale?: number; readonly sequence?: SequenceOptions;
}
interface Example { readonly inputs: Record<string, NamedArray>; readonly reverse: number; readonly sizes: { batch: number; length: number; channels: number; taps: number; kernels: number }; readonly sequence: SequenceOptions }

/** Letters of options: D, p(re gate), g(ate behind), t(ail of history). `kernels` 0 = a kernel of two axes. `reverse` taps of the other direction. */
function makeExample({ batch = 2, length = 9, channels = 3, taps = 9, kernels = 0, reverse = 0, options = '', scale = 1, sequence = {} }: Setup, seed = 2): Example {
  const random = new SeededValues(seed);
  const normal = (shape: number[], deviation = 1): NamedArray => ({ shape, values: random.normal(shape.reduce((a, b) => a * b, 1), deviation) });
  const several = kernels > 0 ? [kernels] : [];
  return {
    reverse, sizes: { batch, length, channels, taps: taps + reverse, kernels: Math.max(kernels, 1) }, sequence,
    inputs: {
      u: normal([batch, length, channels], scale), kernel: normal([...several, channels, taps]), ...(reverse ? { reverseKernel: normal([...several, channels, reverse]) } : {}),
      ...(options.includes('D') ? { D: normal([...several, channels]) } : {}),
      ...(options.includes('p') ? { preGate: normal([batch, length, channels]) } : {}),
      ...(options.includes('g') ? { postGate: normal([batch, length, ...several, channels]) } : {}),
      ...(options.includes('t') ? { state: normal([batch, taps - 1, channels], scale) } : {}),
    },
  };
}

/** Rows of both directions side by side, the far future first. */
function joinKernels({ inputs, reverse, sizes }: Example): Float64Array {
  const kernel = inputs['kernel']!.values;
  const before = inputs['reverseKernel']?.values;
  if (!before) return kernel;
  const own = sizes.taps - reverse;
  return Float64Array.from({ length: sizes.kernels * sizes.channels * sizes.taps }, (_, i) => {
    const [row, tap] = [Math.floor(i / sizes.taps), i % sizes.taps];
    return tap < reverse ? before[row * reverse + reverse - 1 - tap]! : kernel[row * own + tap - reverse]!;
  });
}

const referenceOf = (example: Example): FftConvolutionInputs => {
  const { inputs, sizes, sequence, reverse } = example;
  return {
    ...sizes, columns: sizes.length, kernelColumns: sizes.taps, centreRow: 0, centreColumn: reverse, u: inputs['u']!.values, kernel: joinKernels(example),
    D: inputs['D']?.values, preGate: inputs['preGate']?.values, postGate: inputs['postGate']?.values, history: inputs['state']?.values,
    control: controlBytes('test', sizes.batch, sizes.length, sequence),
  };
};

function convolve(t: Record<string, Tensor>, { reverse, sequence }: Pick<Example, 'reverse' | 'sequence'>, method: FftConvolutionMethod): Record<string, Tensor> {
  const options = { D: t['D'], preGate: t['preGate'], postGate: t['postGate'], method, ...sequence };
  if (reverse) return { output: bidirectionalFftConvolution(t['u']!, t['kernel']!, t['reverseKernel']!, options) };
  const { output, state } = fftConvolution(t['u']!, t['kernel']!, { ...options, state: t['state'] });
  return { output, state };
}

function check(example: Example, method: FftConvolutionMethod): void {
  const inputs = referenceOf(example);
  const { y, finalHistory } = fftConvolutionForwardReference(inputs);
  const { reverse, sizes: { taps } } = example;
  checkOperation({
    tf, inputs: example.inputs, run: (tensors) => convolve(tensors, example, method),
    expected: reverse ? { output: y } : { output: y, state: finalHistory },
    expectedGradients: (slopes) => {
      const g = fftConvolutionBackwardReference(inputs, slopes['output']!, slopes['state']);
      const own = taps - reverse, rows = g.dKernel.length / taps;
      const part = (count: number, place: (k: number) => number): Float64Array => Float64Array.from({ length: rows * count }, (_, i) => g.dKernel[Math.floor(i / count) * taps + place(i % count)]!);
      return {
        u: g.du, kernel: part(own, (k) => k + reverse), reverseKernel: part(reverse, (k) => reverse - 1 - k), D: g.dD, preGate: g.dPreGate, postGate: g.dPostGate, state: g.dHistory,
      };
    },
  });
}

const HOLES = [[true, false, true, true, false, false, true, true, true], [false, false, true, false, true, true, true, true, false]];
const PACKED = [[0, 0, 0, 1, 1, 2, 2, 2, 2], [5, 5, 5, 5, 5, 5, 3, 3, 5]];
/** Segments long enough that each is transformed at a size of its own, masks with holes. */
const LONG = 300;
const LONG_SEGMENTS = [0, 1].map((b) => Array.from({ length: LONG }, (_, t) => (t < 40 + 100 * b ? 0 : t < 210 ? 1 : 2)));
const LONG_HOLES = [0, 1].map((b) => Array.from({ length: LONG }, (_, t) => (t * 7 + b) % 5 !== 0 && (b === 0 || t > 20)));

const SETUPS: [string, Setup][] = [
  ...['', 'D', 'p', 'g', 't', 'Dpgt'].map((options): [string, Setup] => [`options '${options}'`, { options }]),
  ...[1, 2, 3].map((kernels): [string, Setup] => [`${kernels} kernels a channel`, { kernels, options: 'Dpgt' }]),
  ...[1, 2, 7, 30].map((taps): [string, Setup] => [`${taps} taps`, { taps, options: 'Dt' }]),
  ...[1, 2, 3, 63, 64, 65, 257].map((length): [string, Setup] => [`length ${length}`, { length, taps: length, batch: 1, options: 'Dpgt' }]),
  ['a kernel longer than the sequence', { length: 5, taps: 200, options: 'Dgt' }],
  ['a kernel longer than the sequence, no history', { length: 5, taps: 200, options: 'Dg' }],
  ['a short kernel on a long sequence', { length: 300, taps: 4, options: 'Dpt' }],
  ...[1, 4, 15, 16, 17, 33].map((channels): [string, Setup] => [`${channels} channels`, { channels, length: 20, options: 'Dpgt' }]),
  ['a batch larger than the groups of tasks', { batch: 19, length: 12, taps: 12, channels: 2, options: 'Dpg' }],
  ['values of 1e4', { scale: 1e4, length: 70, taps: 70, options: 'Dt' }],
  ['values of 1e-4', { scale: 1e-4, length: 70, taps: 70, options: 't' }],
  ['lengths', { sequence: { lengths: [9, 0] }, options: 'Dpgt' }],
  ['a mask with holes', { sequence: { mask: HOLES }, options: 'Dpgt' }],
  ['packed segments', { sequence: { segments: PACKED }, options: 'Dpgt' }],
  ['packed segments with holes, several kernels', { sequence: { segments: PACKED, mask: HOLES }, options: 'Dpgt', kernels: 2, taps: 4 }],
  ['long segments with holes', { length: LONG, taps: 150, channels: 2, sequence: { segments: LONG_SEGMENTS, mask: LONG_HOLES }, options: 'Dpgt' }],
  ['long segments, several kernels', { length: LONG, taps: LONG, channels: 2, kernels: 2, sequence: { segments: LONG_SEGMENTS }, options: 'Dg' }],
  ['both directions', { reverse: 9, options: 'Dpg' }],
  ['both directions of other sizes, long', { reverse: 40, taps: 90, length: 130, options: 'Dpg' }],
  ['both directions, several kernels', { reverse: 3, taps: 5, kernels: 2, options: 'D' }],
  ['both directions, a mask with holes and segments', { reverse: 9, sequence: { segments: PACKED, mask: HOLES }, options: 'Dpg' }],
];

describe('long convolution in float64', () => {
  it.each(['', 'Dpgt'])("gradients, options '%s'", (options) => {
    const cut = (rows: readonly (readonly unknown[])[]) => rows.map((row) => row.slice(0, 6));
    const example = makeExample({ length: 6, channels: 2, taps: 4, kernels: options ? 2 : 0, options, ...(options ? { sequence: { mask: cut(HOLES) as boolean[][], segments: cut(PACKED) as number[][] } } : {}) });
    const inputs = referenceOf(example);
    const random = new SeededValues(3);
    const { y, finalHistory } = fftConvolutionForwardReference(inputs);
    const dy = random.normal(y.length);
    const dFinal = random.normal(finalHistory.length);
    const loss = (): number => {
      const result = fftConvolutionForwardReference(inputs);
      return result.y.reduce((sum, value, i) => sum + value * dy[i]!, 0) + result.finalHistory.reduce((sum, value, i) => sum + value * dFinal[i]!, 0);
    };
    const g = fftConvolutionBackwardReference(inputs, dy, dFinal);
    const gradients = { u: g.du, kernel: g.dKernel, D: g.dD, preGate: g.dPreGate, postGate: g.dPostGate, state: g.dHistory };
    for (const [name, { values }] of Object.entries(example.inputs)) expectGradient(name, gradients[name as keyof typeof gradients], loss, values);
  });

  it('is the sliding product by hand, in both directions and in an image', () => {
    const line = { batch: 1, length: 3, channels: 1, kernels: 1, columns: 3, centreRow: 0, u: [1, 2, 3] };
    const causal = fftConvolutionForwardReference({ ...line, taps: 3, kernelColumns: 3, centreColumn: 0, kernel: [1, 10, 100], history: [8, 9] });
    expect([...causal.y]).toEqual([891, 912, 123]);
    expect([...causal.finalHistory]).toEqual([2, 3]);
    expect([...fftConvolutionForwardReference({ ...line, taps: 3, kernelColumns: 3, centreColumn: 1, kernel: [100, 1, 10] }).y]).toEqual([201, 312, 23]);
    const image = { batch: 1, length: 4, channels: 1, kernels: 1, columns: 2, taps: 4, kernelColumns: 2, u: [1, 2, 3, 4], kernel: [1, 10, 100, 1000] };
    expect([...fftConvolutionForwardReference({ ...image, centreRow: 0, centreColumn: 0 }).y]).toEqual([1, 12, 103, 1234]);
    expect([...fftConvolutionForwardReference({ ...image, centreRow: 1, centreColumn: 1 }).y]).toEqual([1234, 2040, 3400, 4000]);
  });
});

describe.each(variants)('fftConvolution on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each(SETUPS)('by FFT equals the float64 reference: %s', (_label, setup) => check(makeExample(setup), 'fft'));
  it.each(SETUPS)('by direct sums: %s', (_label, setup) => check(makeExample(setup), 'direct'));
  it.each(SETUPS.slice(-6))('by the cheaper one: %s', (_label, setup) => check(makeExample(setup), 'auto'));

  it.each(['fft', 'auto'] as const)('gives one result whole, in chunks at random places, and step by step: %s', (method) => {
    const length = 90;
    const example = makeExample({ length, taps: 70, options: 'Dpgt' });
    const random = new SeededValues(8);
    tf.tidy(() => {
      const t = tensorsOf(tf, example.inputs);
      const whole = convolve(t, example, method);
      const slice = (x: Tensor, from: number, to: number): Tensor => tf.slice(x, [0, from], [2, to - from]);
      const part = (from: number, to: number, state: Tensor) => fftConvolution(slice(t['u']!, from, to), t['kernel']!, {
        D: t['D'], preGate: slice(t['preGate']!, from, to), postGate: slice(t['postGate']!, from, to), state, method,
      });
      for (let round = 0; round < 3; round++) {
        let state = t['state']!;
        const outputs: Tensor[] = [];
        for (let from = 0; from < length;) {
          const to = Math.min(length, from + random.integer(1, 40));
          const result = part(from, to, state);
          outputs.push(result.output);
          state = result.state;
          from = to;
        }
        expectTensorClose(tf.concat(outputs, 1), whole['output']!, { kind: 'output' });
        expectTensorClose(state, whole['state']!, { kind: 'state' });
      }
      const half = part(0, 40, t['state']!); // prefill, then steps
      const outputs: Tensor[] = [half.output];
      let state = half.state;
      for (let at = 40; at < length; at++) {
        const one = (x: Tensor): Tensor => tf.squeeze(slice(x, at, at + 1), [1]);
        const step = fftConvolutionStep(state, one(t['u']!), t['kernel']!, { D: t['D'], preGate: one(t['preGate']!), postGate: one(t['postGate']!) });
        outputs.push(tf.expandDims(step.output, 1));
        state = step.state;
      }
      expectTensorClose(tf.concat(outputs, 1), whole['output']!, { kind: 'output' });
      expectTensorClose(state, whole['state']!, { kind: 'state' });
    });
  });

  it.each(['fft', 'direct'] as const)('leaves masked steps out, what stands there does not matter: %s', (method) => {
    const example = makeExample({ options: 'D', taps: 9, sequence: { mask: HOLES } });
    tf.tidy(() => {
      const t = tensorsOf(tf, example.inputs);
      const poisoned = tf.tensor(Float32Array.from(example.inputs['u']!.values, (value, i) => (HOLES[Math.floor(i / 27)]![Math.floor(i / 3) % 9] ? value : Number.NaN)), [2, 9, 3], 'float32');
      const padded = convolve({ ...t, u: poisoned }, example, method);
      const steps = tf.tensor1d([0, 2, 3, 6, 7, 8], 'int32');
      const alone = convolve({ ...t, u: tf.gather(tf.slice(t['u']!, [0], [1]), steps, 1) }, { reverse: 0, sequence: {} }, method);
      expectTensorClose(tf.gather(tf.slice(padded['output']!, [0], [1]), steps, 1), alone['output']!, { kind: 'output' });
      expectTensorClose(tf.slice(padded['state']!, [0], [1]), alone['state']!, { kind: 'state' });
      expect([...tf.gather(tf.slice(padded['output']!, [1], [1]), tf.tensor1d([0, 1, 3, 8], 'int32'), 1).dataSync()]).toEqual(Array<number>(12).fill(0));
    });
  });

  it.each(['fft', 'direct'] as const)('passes NaN and infinities on as far as the taps reach, and not back in time: %s', (method) => {
    tf.tidy(() => {
      for (const value of [Number.NaN, -Infinity, Infinity]) {
        const u = Float32Array.from({ length: 80 }, (_, i) => (i === 2 * 30 ? value : 1)); // step 30 of channel 0
        const { output } = fftConvolution(tf.tensor(u, [1, 40, 2]), tf.ones([2, 5]), { method });
        const values = [...output.dataSync()];
        const finite = values.map((one, i) => (i % 2 === 1 || i < 60 || i >= 70) === Number.isFinite(one));
        expect(finite.every(Boolean), `${value}`).toBe(true);
        expect(values.filter(Number.isFinite).every((one) => one <= 5.001)).toBe(true);
        const carried = fftConvolution(tf.ones([1, 9, 2]), tf.ones([2, 5]), { method, state: tf.tensor([1, 1, 1, 1, value, 1, 1, 1], [1, 4, 2]) }).output.dataSync();
        expect([...carried].map(Number.isFinite)).toEqual(Array.from({ length: 18 }, (_, i) => i % 2 === 1 || i >= 6));
      }
    });
  });

  it.each(['fft', 'direct'] as const)('convolves images: %s', (method) => {
    for (const [height, width, rows, columns, centre, M] of [[1, 1, 1, 1, [0, 0], 0], [4, 5, 3, 3, [1, 1], 0], [7, 6, 7, 6, [0, 0], 0], [5, 9, 2, 17, [1, 8], 2], [1, 12, 3, 4, [2, 1], 0], [12, 1, 5, 1, [4, 0], 0], [3, 4, 9, 8, [4, 3], 0]] as const) {
      const random = new SeededValues(5);
      const normal = (shape: number[]): NamedArray => ({ shape, values: random.normal(shape.reduce((a, b) => a * b, 1)) });
      const several = M > 0 ? [M] : [];
      const inputs = {
        u: normal([2, height, width, 3]), kernel: normal([...several, 3, rows, columns]), D: normal([...several, 3]), preGate: normal([2, height, width, 3]), postGate: normal([2, height, width, ...several, 3]),
      };
      const given = {
        batch: 2, length: height * width, channels: 3, taps: rows * columns, kernels: Math.max(M, 1), columns: width, kernelColumns: columns, centreRow: centre[0], centreColumn: centre[1],
        u: inputs.u.values, kernel: inputs.kernel.values, D: inputs.D.values, preGate: inputs.preGate.values, postGate: inputs.postGate.values,
      };
      checkOperation({
        tf, inputs, run: (t) => ({ output: fftConvolution2d(t['u']!, t['kernel']!, { centre, D: t['D'], preGate: t['preGate'], postGate: t['postGate'], method }) }),
        expected: { output: fftConvolutionForwardReference(given).y },
        expectedGradients: (slopes) => {
          const g = fftConvolutionBackwardReference(given, slopes['output']!);
          return { u: g.du, kernel: g.dKernel, D: g.dD, preGate: g.dPreGate, postGate: g.dPostGate };
        },
      });
    }
  });

  it('takes an empty batch and refuses a second gradient', () => {
    tf.tidy(() => {
      const t = tensorsOf(tf, makeExample({ batch: 0, options: 'Dpgt' }).inputs);
      expect(convolve(t, { reverse: 0, sequence: {} }, 'auto')['state']!.shape).toEqual([0, 8, 3]);
      const full = tensorsOf(tf, makeExample({}).inputs);
      const inner = (u: Tensor): Tensor => tf.grad((x: Tensor) => tf.sum(convolve({ ...full, u: x }, { reverse: 0, sequence: {} }, 'auto')['output']!))(u);
      expect(() => tf.grad((u: Tensor) => tf.sum(inner(u)))(full['u']!)).toThrow(GradientError);
    });
  });
});

it('fftConvolution says what is wrong', () => {
  const t = (shape: number[]): Tensor => tf.zeros(shape);
  expect(() => fftConvolution(t([2, 8, 5]), t([4, 5]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: fftConvolution: kernel has shape [4, 5], expected [5, 5] ([E, K], E as u). Give one row of K taps for each channel of u, the tap of lag 0 first.]`);
  expect(() => fftConvolution(t([2, 8, 5]), t([5]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: fftConvolution: kernel has shape [5], expected 2 axes ([E, K] or [M, E, K]). Give one row of K taps for each channel of u, the tap of lag 0 first.]`);
  expect(() => fftConvolution(t([2, 8, 5]), t([5, 0]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: fftConvolution: kernel has shape [5, 0], expected at least one tap and one kernel (K >= 1, M >= 1). Give one row of K taps for each channel of u.]`);
  expect(() => fftConvolution(t([8, 5]), t([5, 8]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: fftConvolution: u has shape [8, 5], expected 3 axes ([B, L, E]). Add a batch axis of 1 to a single sequence with tf.expandDims(x, 0).]`);
  expect(() => fftConvolution(t([2, 8, 5]), t([5, 8]), { D: t([4]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: fftConvolution: D has shape [4], expected [5] ([E]). Give one factor for each channel of the output.]`);
  expect(() => fftConvolution(t([2, 8, 5]), t([5, 8]), { preGate: t([2, 8, 4]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: fftConvolution: preGate has shape [2, 8, 4], expected [2, 8, 5] ([B, L, E], as u). If your data is channels first, transpose it.]`);
  expect(() => fftConvolution(t([2, 8, 5]), t([3, 5, 8]), { postGate: t([2, 8, 5]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: fftConvolution: postGate has shape [2, 8, 5], expected [2, 8, 3, 5] ([B, L, M, E], as the output). If your data is channels first, transpose it.]`);
  expect(() => fftConvolution(t([2, 8, 5]), t([5, 8]), { state: t([2, 8, 5]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: fftConvolution: state has shape [2, 8, 5], expected [2, 7, 5] ([B, K-1, E]). Pass the state that an earlier call with the same batch and kernel length returned.]`);
  expect(() => fftConvolution(t([2, 8, 5]), t([5, 8]), { method: 'slow' as never })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: fftConvolution: method is 'slow', expected 'auto', 'direct' or 'fft'. Leave it out to have the cheaper one picked.]`);
  expect(() => bidirectionalFftConvolution(t([2, 8, 5]), t([5, 8]), t([1, 5, 8]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: bidirectionalFftConvolution: reverseKernel has shape [1, 5, 8] and kernel [5, 8], expected the same number of kernels. Give both directions for each kernel.]`);
  expect(() => fftConvolutionStep(t([2, 7, 5]), t([2, 1, 5]), t([5, 8]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: fftConvolutionStep: u has shape [2, 1, 5], expected 2 axes ([B, E]). Pass one step of each sequence, without the L axis.]`);
  expect(() => fftConvolution2d(t([2, 8, 5]), t([5, 3, 3]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: fftConvolution2d: u has shape [2, 8, 5], expected 4 axes ([B, height, width, C]). Add a batch axis of 1 to a single image with tf.expandDims(x, 0).]`);
  expect(() => fftConvolution2d(t([2, 8, 8, 5]), t([5, 3, 3]), { centre: [3, 0] })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: fftConvolution2d: centre is [3, 0], expected places in a kernel of 3 x 3. For a kernel that sees all sides give [(KH - 1) / 2, (KW - 1) / 2].]`);
});
