import { backendMatrix, checkOperation, expectGradient, expectTensorClose, kernelVariants, poisonOutputs, SeededValues, tensorsOf } from '@mamba360/testing';
import type { NamedArray } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { ConfigError, GradientError } from '../../errors/index.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { stateSpaceScan, stateSpaceScanStep } from './index.ts';
import type { StateSpaceSystem } from './index.ts';
import { stateSpaceBackwardReference, stateSpaceForwardReference } from './reference.ts';
import type { StateSpaceInputs } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

interface Setup {
  readonly batch?: number; readonly length?: number; readonly heads?: number; readonly modes?: number; readonly channels?: number; readonly rank?: number;
  readonly scale?: number; readonly decay?: number; readonly state?: boolean; readonly sequence?: SequenceOptions;
}
interface Example { readonly inputs: Record<string, NamedArray>; readonly sizes: { batch: number; length: number; heads: number; modes: number; channels: number; rank: number }; readonly sequence: SequenceOptions }

/** `decay`: size of every a (below 1); the phase is random. */
function makeExample({ batch = 2, length = 9, heads = 5, modes = 3, channels = 1, rank = 0, scale = 1, decay = 0.9, state = true, sequence = {} }: Setup, seed = 4): Example {
  const random = new SeededValues(seed), product = (shape: number[]): number => shape.reduce((a, b) => a * b, 1);
  const normal = (shape: number[], deviation = 1): NamedArray => ({ shape, values: random.normal(product(shape), deviation) });
  const phases = random.between(heads * modes, -Math.PI, Math.PI), round = (values: Float64Array): Float64Array => values.map(Math.fround);
  const pair = (name: string, shape: number[], deviation = 1): Record<string, NamedArray> => ({ [`${name}Re`]: normal(shape, deviation), [`${name}Im`]: normal(shape, deviation) });
  return {
    sizes: { batch, length, heads, modes, channels, rank }, sequence,
    inputs: {
      u: normal([batch, length, heads], scale),
      aRe: { shape: [heads, modes], values: round(phases.map((x) => decay * Math.cos(x))) }, aIm: { shape: [heads, modes], values: round(phases.map((x) => decay * Math.sin(x))) },
      ...pair('b', [heads, modes]), ...pair('c', [channels, heads, modes]),
      ...(rank > 0 ? { ...pair('f', [rank, heads, modes], 0.1), ...pair('g', [rank, heads, modes], 0.1) } : {}),
      ...(state ? pair('initial', [batch, heads, modes]) : {}),
    },
  };
}

function referenceOf({ inputs, sizes, sequence }: Example): StateSpaceInputs {
  const values = (name: string): Float64Array => inputs[name]?.values ?? new Float64Array(0);
  return {
    ...sizes, u: values('u'), aRe: values('aRe'), aIm: values('aIm'), bRe: values('bRe'), bIm: values('bIm'), cRe: values('cRe'), cIm: values('cIm'), fRe: values('fRe'), fIm: values('fIm'),
    gRe: values('gRe'), gIm: values('gIm'), initialRe: inputs['initialRe']?.values, initialIm: inputs['initialIm']?.values, control: controlBytes('test', sizes.batch, sizes.length, sequence),
  };
}

const system = (t: Record<string, Tensor>): StateSpaceSystem => {
  const pair = (name: string) => ({ re: t[`${name}Re`]!, im: t[`${name}Im`]! });
  return { a: pair('a'), b: pair('b'), c: pair('c'), ...(t['fRe'] && { f: pair('f'), g: pair('g') }) };
};
const scan = (t: Record<string, Tensor>, sequence: SequenceOptions = {}) =>
  stateSpaceScan(t['u']!, system(t), { ...sequence, state: t['initialRe'] && { re: t['initialRe'], im: t['initialIm']! } });

const HOLES = [[true, false, true, true, false, false, true, true, true], [false, false, true, false, true, true, true, true, false]];
const PACKED = [[0, 0, 0, 1, 1, 2, 2, 2, 2], [5, 5, 5, 5, 5, 5, 3, 3, 5]];

const SETUPS: [string, Setup][] = [
  ['diagonal', {}], ['without a state', { state: false }], ['three outputs', { channels: 3 }], ['rank 1', { rank: 1 }], ['rank 3, two outputs', { rank: 3, channels: 2 }],
  ...[1, 2, 3, 63, 64, 65, 257].map((length): [string, Setup] => [`length ${length}`, { length, batch: 1, heads: 3 }]),
  ['length 5000, several checkpoints', { length: 5000, batch: 1, heads: 2, modes: 2, decay: 0.999 }],
  ...[1, 2, 7, 8, 9, 17].map((heads): [string, Setup] => [`${heads} channels`, { heads, rank: 1 }]),
  ['one mode', { modes: 1 }], ['values of 1e4', { scale: 1e4 }], ['a decay of almost 1', { decay: 1 - 2 ** -20, length: 65 }], ['a decay of 0', { decay: 0 }], ['a decay of almost 0', { decay: 1e-30 }],
  ['lengths', { sequence: { lengths: [9, 0] } }], ['a mask with holes', { sequence: { mask: HOLES } }], ['packed segments', { sequence: { segments: PACKED }, rank: 1 }],
  ['packed segments with holes', { sequence: { segments: PACKED, mask: HOLES }, channels: 2 }],
];

describe('state space scan in float64', () => {
  it.each([0, 2])('gradients, rank %i', (rank) => {
    const example = makeExample({ length: 6, heads: 2, modes: 2, rank, channels: 2, sequence: { mask: HOLES.map((row) => row.slice(0, 6)), segments: PACKED.map((row) => row.slice(0, 6)) } });
    const inputs = referenceOf(example), random = new SeededValues(3), { y, finalRe, finalIm } = stateSpaceForwardReference(inputs);
    const dy = random.normal(y.length), dRe = random.normal(finalRe.length), dIm = random.normal(finalIm.length);
    const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
    const loss = (): number => {
      const result = stateSpaceForwardReference(inputs);
      return dot(result.y, dy) + dot(result.finalRe, dRe) + dot(result.finalIm, dIm);
    };
    const g = stateSpaceBackwardReference(inputs, dy, dRe, dIm) as unknown as Record<string, Float64Array>;
    for (const [name, { values }] of Object.entries(example.inputs)) expectGradient(name, g[`d${name.startsWith('initial') ? `I${name.slice(1)}` : name}`]!, loss, values);
  });

  it('is the recurrence by hand', () => {
    const zero = [0], { y, finalRe } = stateSpaceForwardReference({
      batch: 1, length: 3, heads: 1, modes: 1, channels: 1, rank: 1, u: [1, 1, 1], aRe: [0.5], aIm: zero, bRe: [1], bIm: zero, cRe: [10], cIm: zero, fRe: [1], fIm: zero, gRe: [2], gIm: zero,
    });
    expect([...y]).toEqual([10, 35, 97.5]); // x = 2.5 x + 1
    expect([...finalRe]).toEqual([9.75]);
  });
});

describe.each(variants)('stateSpaceScan on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each(SETUPS)('equals the float64 reference: %s', (_label, setup) => {
    const example = makeExample(setup), inputs = referenceOf(example), { y, finalRe, finalIm } = stateSpaceForwardReference(inputs);
    checkOperation({
      tf, inputs: example.inputs,
      run: (tensors) => {
        const { output, state } = scan(tensors, example.sequence);
        return { output, stateRe: state.re, stateIm: state.im };
      },
      expected: { output: y, stateRe: finalRe, stateIm: finalIm },
      expectedGradients: (slopes) => {
        const g = stateSpaceBackwardReference(inputs, slopes['output'], slopes['stateRe'], slopes['stateIm']) as unknown as Record<string, Float64Array>;
        return Object.fromEntries(Object.keys(example.inputs).map((input) => [input, g[`d${input.startsWith('initial') ? `I${input.slice(1)}` : input}`]!]));
      },
    });
  });

  it.each([0, 2])('gives one result whole, in chunks at random places, and step by step: rank %i', (rank) => {
    const example = makeExample({ length: 21, rank, channels: 2 }), random = new SeededValues(8);
    tf.tidy(() => {
      const t = tensorsOf(tf, example.inputs), whole = scan(t), slice = (from: number, to: number): Tensor => tf.slice(t['u']!, [0, from], [2, to - from]);
      let state = { re: t['initialRe']!, im: t['initialIm']! };
      const outputs: Tensor[] = [];
      for (let from = 0; from < 21;) {
        const to = Math.min(21, from + random.integer(1, 6)), part = stateSpaceScan(slice(from, to), system(t), { state });
        outputs.push(part.output);
        state = part.state;
        from = to;
      }
      expectTensorClose(tf.concat(outputs, 1), whole.output, { kind: 'output' });
      expectTensorClose(state.re, whole.state.re, { kind: 'state' });
      let current = { re: t['initialRe']!, im: t['initialIm']! };
      const steps = Array.from({ length: 21 }, (_, at) => {
        const step = stateSpaceScanStep(current, tf.squeeze(slice(at, at + 1), [1]), system(t));
        current = step.state;
        return step.output;
      });
      expectTensorClose(tf.stack(steps, 1), whole.output, { kind: 'output' });
      expectTensorClose(current.im, whole.state.im, { kind: 'state' });
    });
  });

  it('what stands in a masked step does not matter, its output is 0', () => {
    const example = makeExample({ sequence: { mask: HOLES } });
    tf.tidy(() => {
      const t = tensorsOf(tf, example.inputs);
      const poisoned = tf.tensor(Float32Array.from(example.inputs['u']!.values, (value, i) => (HOLES[Math.floor(i / 45)]![Math.floor(i / 5) % 9] ? value : Number.NaN)), [2, 9, 5], 'float32');
      const padded = scan({ ...t, u: poisoned }, example.sequence), clean = scan(t, example.sequence);
      expect([...padded.output.dataSync()]).toEqual([...clean.output.dataSync()]);
      expect([...padded.state.re.dataSync()]).toEqual([...clean.state.re.dataSync()]);
      expect([...tf.slice(padded.output, [1, 0], [1, 2]).dataSync()]).toEqual(Array<number>(10).fill(0));
    });
  });

  it('passes NaN and infinities on, in their channel only', () => {
    tf.tidy(() => {
      for (const rank of [0, 1]) {
        const t = tensorsOf(tf, makeExample({ batch: 1, length: 4, heads: 3, rank }).inputs);
        for (const value of [Number.NaN, -Infinity]) {
          const u = tf.tensor([1, 1, 1, 1, value, 1, 1, 1, 1, 1, 1, 1], [1, 4, 3]), output = scan({ ...t, u }).output.arraySync() as number[][][][];
          const finite = output[0]!.map(([row]) => row!.map(Number.isFinite));
          expect(finite).toEqual([[true, true, true], [true, false, true], [true, false, true], [true, false, true]]);
        }
      }
    });
  });

  it('takes an empty batch and refuses a second gradient', () => {
    tf.tidy(() => {
      const empty = tensorsOf(tf, makeExample({ batch: 0 }).inputs);
      expect(scan(empty).state.re.shape).toEqual([0, 5, 3]);
      const full = tensorsOf(tf, makeExample({}).inputs);
      const inner = (u: Tensor): Tensor => tf.grad((y: Tensor) => tf.sum(scan({ ...full, u: y }).output))(u);
      expect(() => tf.grad((u: Tensor) => tf.sum(inner(u)))(full['u']!)).toThrow(GradientError);
    });
  });
});

it('stateSpaceScan says what is wrong', () => {
  const pair = (...shape: number[]) => ({ re: tf.zeros(shape), im: tf.zeros(shape) });
  const good: StateSpaceSystem = { a: pair(5, 3), b: pair(5, 3), c: pair(1, 5, 3) };
  expect(() => stateSpaceScan(tf.zeros([2, 8, 4]), good)).toThrowErrorMatchingInlineSnapshot(`[ShapeError: stateSpaceScan: u has shape [2, 8, 4], expected a last axis of 5 (H, as the parameters). If your data is channels first, transpose it.]`);
  expect(() => stateSpaceScan(tf.zeros([2, 8, 5]), { ...good, b: pair(5, 4) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: stateSpaceScan: b.re has shape [5, 4], expected [5, 3] ([H, N], as a). Give one row of modes for each channel of u.]`);
  expect(() => stateSpaceScan(tf.zeros([2, 8, 5]), { ...good, f: pair(1, 5, 3) })).toThrow(ConfigError);
  expect(() => stateSpaceScan(tf.zeros([2, 8, 5]), { ...good, c: pair(17, 5, 3) })).toThrow('at most 16');
  expect(() => stateSpaceScan(tf.zeros([2, 8, 5]), good, { state: pair(1, 5, 3) })).toThrow('state.re has shape [1, 5, 3], expected [2, 5, 3]');
});
