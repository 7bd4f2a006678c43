import { backendMatrix, checkOperation, expectNoLeaks, expectTensorClose, kernelVariants, poisonOutputs, SeededValues, tensorsOf } from '@mamba360/testing';
import type { NamedArray, NamedArrays } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { GradientError } from '../../errors/index.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { selectiveScan, selectiveScanStep } from './index.ts';
import type { SelectiveScanOptions } from './index.ts';
import { complexScanBackwardReference, complexScanForwardReference } from './reference-complex.ts';
import { selectiveScanBackwardReference, selectiveScanForwardReference } from './reference.ts';
import type { SelectiveScanInputs } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

interface Setup {
  readonly batch?: number; readonly length?: number; readonly channels?: number; readonly stateSize?: number;
  readonly groupsB?: number; readonly groupsC?: number;
  readonly options?: string; // letters: D z b(ias) s(oftplus) h (initial state)
  readonly deltaScale?: number; readonly scale?: number; readonly stateEvery?: number; readonly sequence?: SequenceOptions;
}

interface Example { readonly inputs: Record<string, NamedArray>; readonly softplus: boolean; readonly sizes: Required<Pick<Setup, 'batch' | 'length' | 'channels' | 'stateSize' | 'groupsB' | 'groupsC' | 'stateEvery'>>; readonly sequence: SequenceOptions }

function coefficientShape(groups: number, { batch, length, channels, stateSize }: Example['sizes']): number[] {
  if (groups === 0) return [channels, stateSize];
  return groups === 1 ? [batch, length, stateSize] : [batch, length, groups, stateSize];
}

function makeExample(setup: Setup, seed = 1): Example {
  const { batch = 2, length = 9, channels = 6, stateSize = 4, groupsB = 1, groupsC = 1, options = '', deltaScale = 1, scale = 1, stateEvery = 0, sequence = {} } = setup;
  const sizes = { batch, length, channels, stateSize, groupsB, groupsC, stateEvery };
  const random = new SeededValues(seed);
  const product = (shape: number[]): number => shape.reduce((a, b) => a * b, 1);
  const normal = (shape: number[], deviation = 1): NamedArray => ({ shape, values: random.normal(product(shape), deviation) });
  const whole = [batch, length, channels];
  const softplus = options.includes('s');
  const inputs: Record<string, NamedArray> = {
    u: normal(whole, scale),
    delta: softplus ? normal(whole, deltaScale) : { shape: whole, values: random.between(product(whole), 0.05 * deltaScale, deltaScale) },
    A: { shape: [channels, stateSize], values: random.between(channels * stateSize, -2, -0.05) },
    B: normal(coefficientShape(groupsB, sizes)), C: normal(coefficientShape(groupsC, sizes)),
    ...(options.includes('D') ? { D: normal([channels]) } : {}),
    ...(options.includes('z') ? { z: normal(whole) } : {}),
    ...(options.includes('b') ? { deltaBias: normal([channels]) } : {}),
    ...(options.includes('h') ? { state: normal([batch, channels, stateSize]) } : {}),
  };
  return { inputs, softplus, sizes, sequence };
}

const scan = (tensors: Record<string, Tensor>, example: Pick<Example, 'softplus' | 'sequence'>, extra: { returnStates?: 'chunk'; chunkLength?: number } = {}) =>
  selectiveScan(tensors['u']!, tensors['delta']!, tensors['A']!, tensors['B']!, tensors['C']!, {
    D: tensors['D'], z: tensors['z'], deltaBias: tensors['deltaBias'], state: tensors['state'], deltaSoftplus: example.softplus, ...example.sequence, ...extra,
  });

function referenceInputs({ inputs, softplus, sizes, sequence }: Example): SelectiveScanInputs {
  const v = (name: string) => inputs[name]?.values;
  return {
    ...sizes, softplus, u: v('u')!, delta: v('delta')!, A: v('A')!, B: v('B')!, C: v('C')!, D: v('D'), z: v('z'), deltaBias: v('deltaBias'),
    initialState: v('state'), control: controlBytes('test', sizes.batch, sizes.length, sequence),
  };
}

function check(example: Example): void {
  const inputs = referenceInputs(example);
  const { y, finalState, states } = selectiveScanForwardReference(inputs);
  checkOperation({
    tf, inputs: example.inputs,
    run: (tensors) => {
      const { stateEvery } = example.sizes;
      const result = scan(tensors, example, stateEvery > 0 ? { returnStates: 'chunk', chunkLength: stateEvery } : {});
      return { output: result.output, state: result.state, ...(result.states ? { states: result.states } : {}) };
    },
    expected: { output: y, state: finalState, ...(states ? { states } : {}) },
    expectedGradients: (slopes) => {
      const g = selectiveScanBackwardReference(inputs, slopes['output']!, slopes['state'], slopes['states'] ?? null);
      return { u: g.du, delta: g.dDelta, A: g.dA, B: g.dB, C: g.dC, D: g.dD, z: g.dz, deltaBias: g.dDeltaBias, state: g.dInitialState };
    },
  });
}

const HOLES = [[true, false, true, true, false, false, true, true, true], [false, false, true, false, true, true, true, true, false]];
const PACKED = [[0, 0, 0, 1, 1, 2, 2, 2, 2], [5, 5, 5, 5, 5, 5, 3, 3, 5]];

const SETUPS: [string, Setup][] = [
  ['no options', {}],
  ['all options', { options: 'Dzbsh' }],
  ...['D', 'z', 'b', 's', 'h', 'zs', 'Dbs'].map((options): [string, Setup] => [`options ${options}`, { options }]),
  ['constant B and C', { groupsB: 0, groupsC: 0, options: 'Dzbsh' }],
  ['constant B', { groupsB: 0, options: 'Dzbsh' }],
  ['constant C', { groupsC: 0, options: 'z' }],
  ['groups 2 and 3', { groupsB: 2, groupsC: 3, options: 'Dzbsh' }],
  ['a group for each channel', { groupsB: 6, groupsC: 6, options: 'D' }],
  ...[1, 2, 3, 63, 64, 65, 257].map((length): [string, Setup] => [`length ${length}`, { length, batch: 1, channels: 5, options: 'Dzbsh' }]),
  ...[1, 2, 7, 16, 17].map((stateSize): [string, Setup] => [`state size ${stateSize}`, { stateSize, channels: 3, options: 'Dzbsh' }]),
  ...[1, 4, 15, 16, 17, 33].map((channels): [string, Setup] => [`${channels} channels`, { channels, options: 'Dzbsh' }]),
  ['states in chunks', { length: 11, stateEvery: 4, options: 'Dzbsh' }],
  ['all states', { stateEvery: 1, options: 'h' }],
  ['one chunk longer than the sequence', { stateEvery: 20, options: 'h' }],
  ['states in chunks over many checkpoints', { batch: 1, length: 150, channels: 3, stateEvery: 50, options: 'Dzbsh' }],
  ['tiny steps', { deltaScale: 1e-4, options: 'Dzh' }],
  ['extreme steps', { deltaScale: 60, options: 'Dzh' }],
  ['extreme steps through softplus', { deltaScale: 30, options: 'sh' }],
  ['values of 1e4', { scale: 1e4, options: 'Dzbsh' }],
  ['lengths', { sequence: { lengths: [9, 4] }, options: 'Dzbsh' }],
  ['a mask with holes', { sequence: { mask: HOLES }, options: 'Dzbsh' }],
  ['packed segments', { sequence: { segments: PACKED }, options: 'Dzbsh' }],
  ['packed segments with holes, states and an earlier segment', { sequence: { segments: PACKED, mask: HOLES, previousSegments: [0, 4] }, stateEvery: 2, options: 'Dzbsh' }],
  ['a sequence masked throughout', { sequence: { lengths: [0, 9] }, options: 'Dzbsh' }],
  ['a long mask over checkpoints', { batch: 1, length: 200, channels: 2, sequence: { mask: [Array.from({ length: 200 }, (_, t) => t % 3 !== 0)] }, options: 'Dzbsh' }],
];

describe.each(variants)('selectiveScan on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each(SETUPS)('equals the float64 reference: %s', (_label, setup) => check(makeExample(setup)));

  it('takes an empty batch', () => {
    const { inputs } = makeExample({ batch: 0, options: 'Dzbsh' });
    tf.tidy(() => {
      const tensors = tensorsOf(tf, inputs);
      expect(scan(tensors, { softplus: true, sequence: {} }).state.shape).toEqual([0, 6, 4]);
      const gradient = tf.grad((A: Tensor) => tf.sum(scan({ ...tensors, A }, { softplus: true, sequence: {} }).output))(tensors['A']!);
      expect([...gradient.dataSync()]).toEqual(Array<number>(24).fill(0));
    });
  });

  it('gives one result whole, in chunks at random places, and step by step', () => {
    const example = makeExample({ length: 23, options: 'Dzbsh', groupsB: 2 });
    const random = new SeededValues(9);
    tf.tidy(() => {
      const tensors = tensorsOf(tf, example.inputs);
      const whole = scan(tensors, example);
      const slice = (x: Tensor, from: number, to: number): Tensor => tf.slice(x, [0, from], [x.shape[0]!, to - from]);
      for (let round = 0; round < 3; round++) {
        let state = tensors['state']!;
        const outputs: Tensor[] = [];
        for (let from = 0; from < 23;) {
          const to = Math.min(23, from + random.integer(1, 9));
          const part = scan({ ...tensors, ...Object.fromEntries(['u', 'delta', 'B', 'C', 'z'].map((key) => [key, slice(tensors[key]!, from, to)])), state }, example);
          outputs.push(part.output);
          state = part.state;
          from = to;
        }
        expectTensorClose(tf.concat(outputs, 1), whole.output, { kind: 'output' });
        expectTensorClose(state, whole.state, { kind: 'state' });
      }
      let state = tensors['state']!;
      for (let t = 0; t < 23; t++) {
        const at = (key: string): Tensor => tf.squeeze(slice(tensors[key]!, t, t + 1), [1]);
        const step = selectiveScanStep(state, at('u'), at('delta'), tensors['A']!, at('B'), at('C'), { D: tensors['D'], z: at('z'), deltaBias: tensors['deltaBias'], deltaSoftplus: true });
        expectTensorClose(step.output, tf.squeeze(slice(whole.output, t, t + 1), [1]), { kind: 'output', name: `step ${t}` });
        state = step.state;
      }
      expectTensorClose(state, whole.state, { kind: 'state' });
    });
  });

  it('takes constant coefficients in a step, where [E, N] would else be read as [B, N]', () => {
    tf.tidy(() => {
      const { inputs } = makeExample({ batch: 3, channels: 3, length: 1, groupsB: 0, groupsC: 0, options: 'h' });
      const tensors = tensorsOf(tf, inputs);
      const whole = scan(tensors, { softplus: false, sequence: {} });
      const step = selectiveScanStep(tensors['state']!, tf.squeeze(tensors['u']!, [1]), tf.squeeze(tensors['delta']!, [1]), tensors['A']!, tensors['B']!, tensors['C']!, { constantB: true, constantC: true });
      expectTensorClose(step.output, tf.squeeze(whole.output, [1]), { kind: 'output' });
    });
  });

  it('gives a batch what each of its sequences gets alone, wherever padding stands', () => {
    const example = makeExample({ options: 'Dzbs' });
    tf.tidy(() => {
      const tensors = tensorsOf(tf, example.inputs);
      const padded = scan(tensors, { softplus: true, sequence: { mask: [HOLES[0]!, PACKED[0]!.map((_, t) => t >= 4)] } });
      for (const [b, steps] of [[0, [0, 2, 3, 6, 7, 8]], [1, [4, 5, 6, 7, 8]]] as const) {
        const pick = (key: string): Tensor => tf.gather(tf.slice(tensors[key]!, [b], [1]), tf.tensor1d([...steps], 'int32'), 1);
        const alone = scan({ ...tensors, ...Object.fromEntries(['u', 'delta', 'B', 'C', 'z'].map((key) => [key, pick(key)])) }, { softplus: true, sequence: {} });
        expectTensorClose(tf.gather(tf.slice(padded.output, [b], [1]), tf.tensor1d([...steps], 'int32'), 1), alone.output, { kind: 'output' });
        expectTensorClose(tf.slice(padded.state, [b], [1]), alone.state, { kind: 'state' });
      }
      expect([...tf.slice(padded.output, [1, 0], [1, 4]).dataSync()].every((value) => value === 0)).toBe(true);
    });
  });

  it('passes NaN and infinities on instead of hiding them', () => {
    tf.tidy(() => {
      const { inputs } = makeExample({ batch: 1, length: 4, channels: 3 });
      const tensors = tensorsOf(tf, inputs);
      const at = (value: number): Tensor => tf.tensor([...inputs['u']!.values].map((old, i) => (i === 3 ? value : old)), [1, 4, 3]);
      for (const value of [Number.NaN, -Infinity]) {
        const output = scan({ ...tensors, u: at(value) }, { softplus: false, sequence: {} }).output.dataSync();
        const hit = [0, 3, 6, 9].map((i) => output[i]!);
        expect(hit[0]).toSatisfy(Number.isFinite);
        expect(hit.slice(1).every((later) => !Number.isFinite(later))).toBe(true);
        expect([1, 2, 4, 5].every((i) => Number.isFinite(output[i]!))).toBe(true);
      }
      const minus = tf.tensor([...inputs['delta']!.values].map((old, i) => (i === 3 ? Number.NaN : old)), [1, 4, 3]);
      expect(scan({ ...tensors, delta: minus }, { softplus: true, sequence: {} }).output.dataSync()[3]).toBeNaN();
      const closed = tf.fill([1, 4, 3], -Infinity);
      expect(scan({ ...tensors, delta: closed }, { softplus: true, sequence: {} }).output.dataSync().every((value) => value === 0)).toBe(true);
    });
  });

  it('ignores what stands at masked steps, NaN too, forward and backward', () => {
    const example = makeExample({ options: 'Dzbsh', sequence: { mask: HOLES } });
    const poisoned: NamedArrays = Object.fromEntries(Object.entries(example.inputs).map(([key, { shape, values }]) => {
      if (!['u', 'delta', 'B', 'C', 'z'].includes(key)) return [key, { shape, values }];
      const width = values.length / 18;
      return [key, { shape, values: values.map((value, i) => (HOLES[Math.floor(i / width / 9)]![Math.floor(i / width) % 9] ? value : Number.NaN)) }];
    }));
    tf.tidy(() => {
      const names = Object.keys(example.inputs);
      const results = [example.inputs, poisoned].map((inputs) => {
        const tensors = tensorsOf(tf, inputs);
        const { value, grads } = tf.engine().gradients(() => {
          const result = scan(tensors, example);
          return tf.add(tf.sum(tf.square(result.output)), tf.sum(result.state));
        }, names.map((key) => tensors[key]!));
        return [value, ...grads].map((tensor) => [...tensor.dataSync()]);
      });
      expect(results[1]).toEqual(results[0]);
    });
  });

  it('refuses a second gradient', () => {
    tf.tidy(() => {
      const tensors = tensorsOf(tf, makeExample({}).inputs);
      const inner = (u: Tensor): Tensor => tf.grad((x: Tensor) => tf.sum(tf.square(scan({ ...tensors, u: x }, { softplus: false, sequence: {} }).output)))(u);
      expect(() => tf.grad((u: Tensor) => tf.sum(inner(u)))(tensors['u']!)).toThrow(GradientError);
    });
  });

  it('trains by optimizer.minimize without leaving tensors', () => {
    const example = makeExample({ options: 'Dzbs' });
    const tensors = tf.tidy(() => Object.fromEntries(Object.entries(tensorsOf(tf, example.inputs)).map(([key, tensor]) => [key, tf.keep(tensor)])));
    const variable = tf.variable(tensors['A']!);
    const optimizer = tf.train.sgd(1e-3);
    const loss = (): Tensor => tf.mean(tf.square(scan({ ...tensors, A: variable }, example).output));
    const first = tf.tidy(() => loss().dataSync()[0]!);
    optimizer.minimize(loss as never);
    expectNoLeaks(tf.memory, () => { for (let i = 0; i < 5; i++) optimizer.minimize(loss as never); });
    expect(tf.tidy(() => loss().dataSync()[0]!)).toBeLessThan(first);
    variable.dispose();
    optimizer.dispose();
    tf.dispose(tensors);
  });

  it.each([
    ['constant, real B and C', { groupsB: 0, groupsC: 0 }, false], ['variable', { options: 'Dzbsh' }, true], ['groups', { groupsB: 2, groupsC: 3, options: 'Dzbsh' }, true],
    ['real B', { options: 'Dzs', groupsC: 0 }, false], ['states', { options: 'zsh', stateEvery: 4, length: 70, batch: 1, channels: 3 }, true],
    ['one state, one channel', { stateSize: 1, channels: 1, options: 'h' }, true],
    ['holes and segments', { options: 'Dzbsh', sequence: { mask: HOLES, segments: PACKED } }, true],
  ] as [string, Setup, boolean][])('complex A equals its reference: %s', (_label, setup, complexCoefficients) => {
    const example = makeExample(setup, 3);
    const random = new SeededValues(4);
    const imaginary = (key: string): NamedArray => ({ shape: example.inputs[key]!.shape, values: random.normal(example.inputs[key]!.values.length) });
    const { A, B, C, state, ...rest } = example.inputs;
    const inputs: Record<string, NamedArray> = {
      ...rest, ARe: A!, AIm: imaginary('A'), BRe: B!, CRe: C!,
      ...(complexCoefficients ? { BIm: imaginary('B'), CIm: imaginary('C') } : {}), ...(state ? { stateRe: state, stateIm: imaginary('state') } : {}),
    };
    const v = (key: string) => inputs[key]?.values;
    const reference = {
      ...referenceInputs(example), ARe: v('ARe')!, AIm: v('AIm')!, BRe: v('BRe')!, BIm: v('BIm'), CRe: v('CRe')!, CIm: v('CIm'), initialRe: v('stateRe'), initialIm: v('stateIm'),
    };
    const { y, finalRe, finalIm, statesRe, statesIm } = complexScanForwardReference(reference);
    checkOperation({
      tf, inputs,
      run: (t) => {
        const pair = (key: string) => (t[`${key}Im`] ? { re: t[`${key}Re`]!, im: t[`${key}Im`]! } : t[`${key}Re`]!);
        const result = selectiveScan(t['u']!, t['delta']!, { re: t['ARe']!, im: t['AIm']! }, pair('B'), pair('C'), {
          D: t['D'], z: t['z'], deltaBias: t['deltaBias'], deltaSoftplus: example.softplus, ...example.sequence,
          ...(t['stateRe'] ? { state: { re: t['stateRe'], im: t['stateIm']! } } : {}),
          ...(example.sizes.stateEvery > 0 ? { returnStates: 'chunk' as const, chunkLength: example.sizes.stateEvery } : {}),
        });
        return { output: result.output, 'state.re': result.state.re, 'state.im': result.state.im, ...(result.states ? { 'states.re': result.states.re, 'states.im': result.states.im } : {}) };
      },
      expected: { output: y, 'state.re': finalRe, 'state.im': finalIm, ...(statesRe && statesIm ? { 'states.re': statesRe, 'states.im': statesIm } : {}) },
      expectedGradients: (slopes) => {
        const g = complexScanBackwardReference(reference, {
          dy: slopes['output']!, dFinalRe: slopes['state.re'], dFinalIm: slopes['state.im'], dStatesRe: slopes['states.re'], dStatesIm: slopes['states.im'],
        });
        return {
          u: g.du, delta: g.dDelta, ARe: g.dARe, AIm: g.dAIm, BRe: g.dBRe, BIm: g.dBIm, CRe: g.dCRe, CIm: g.dCIm, D: g.dD, z: g.dz, deltaBias: g.dDeltaBias,
          stateRe: g.dInitialRe, stateIm: g.dInitialIm,
        };
      },
    });
  });
});

describe('selectiveScan says what is wrong', () => {
  const t = (shape: number[], dtype: 'float32' | 'int32' = 'float32'): Tensor => tf.zeros(shape, dtype);
  const call = (change: Partial<Record<'u' | 'delta' | 'A' | 'B' | 'C', Tensor>>, options: SelectiveScanOptions = {}) => () => {
    const all = { u: t([2, 16, 32]), delta: t([2, 16, 32]), A: t([32, 4]), B: t([2, 16, 4]), C: t([2, 16, 4]), ...change };
    (selectiveScan as (...args: unknown[]) => unknown)(all.u, all.delta, all.A, all.B, all.C, options);
  };

  it('shapes', () => {
    expect(call({ delta: t([2, 32, 16]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: selectiveScan: delta has shape [2, 32, 16], expected [2, 16, 32] ([B, L, E], as u). If your data is channels first, transpose it.]`);
    expect(call({ u: t([16, 32]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: selectiveScan: u has shape [16, 32], expected 3 axes ([B, L, E]). Add a batch axis of 1 to a single sequence with tf.expandDims(x, 0).]`);
    expect(call({ u: t([2, 0, 32]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: selectiveScan: u has shape [2, 0, 32], expected at least one step ([B, L, E], L >= 1). Leave the call out where there is nothing to process.]`);
    expect(call({ A: t([16, 4]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: selectiveScan: A has shape [16, 4], expected [32, 4] ([E, N], E as u). Give one row of N decay rates for each channel of u.]`);
    expect(call({ B: t([2, 16, 5]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: selectiveScan: B has shape [2, 16, 5], expected [2, 16, 4] ([B, L, N]). Pass [E, N] for a constant one, [B, L, N] for one that varies, [B, L, G, N] for groups of channels.]`);
    expect(call({ C: t([2, 16, 5, 4]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: selectiveScan: C has shape [2, 16, 5, 4], so 5 groups, expected a number that divides the 32 channels (E). Pass [E, N] for a constant one, [B, L, N] for one that varies, [B, L, G, N] for groups of channels.]`);
    expect(call({ B: t([4]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: selectiveScan: B has shape [4], expected [E, N], [B, L, N] or [B, L, G, N]. Pass [E, N] for a constant one, [B, L, N] for one that varies, [B, L, G, N] for groups of channels.]`);
    expect(call({}, { D: t([4]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: selectiveScan: D has shape [4], expected [32] ([E]). Give one factor for each channel of u.]`);
    expect(call({}, { z: t([2, 16, 4]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: selectiveScan: z has shape [2, 16, 4], expected [2, 16, 32] ([B, L, E], as u). If your data is channels first, transpose it.]`);
    expect(call({}, { state: t([2, 4, 32]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: selectiveScan: state has shape [2, 4, 32], expected [2, 32, 4] ([B, E, N]). Pass the state that an earlier call with the same batch returned.]`);
  });

  it('options', () => {
    expect(call({ u: t([2, 16, 32], 'int32') })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: selectiveScan: u has dtype int32, expected float32. Cast it with tf.cast(u, 'float32').]`);
    expect(call({}, { lengths: [3] })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: selectiveScan: lengths has 1 entries, expected 2 ([B]). Give one entry for each sequence.]`);
    expect(call({}, { lengths: [3, 17] })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: selectiveScan: lengths[1] is 17, expected an integer between 0 and 16 (L). Cut or pad the sequences to one length first.]`);
    expect(call({}, { mask: [[true], [true]] })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: selectiveScan: mask has shape [2, 1], expected [2, 16] ([B, L]). Give one entry for each step of each sequence.]`);
    expect(call({}, { segments: t([2, 3]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: selectiveScan: segments has shape [2, 3], expected [2, 16] ([B, L]). Give one entry for each step of each sequence.]`);
    expect(call({}, { previousSegments: [1, 2] })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: selectiveScan: previousSegments was given without segments, expected both or neither. Give segments, or leave previousSegments out.]`);
    expect(call({}, { returnStates: 'some' as never })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: selectiveScan: returnStates is 'some', expected 'last', 'chunk' or 'all'. Leave it out for 'last'.]`);
    expect(call({}, { chunkLength: 0 })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: selectiveScan: chunkLength is 0, expected an integer of at least 1 (steps). Leave it out for 64.]`);
    expect(() => selectiveScan(t([1, 1, 1]), t([1, 1, 1]), t([1, 1]), { re: t([1, 1]), im: t([1, 1]) } as never, t([1, 1]))).toThrowErrorMatchingInlineSnapshot(`[ConfigError: selectiveScan: B is complex but A is real, expected both of one kind. Pass A as { re, im } (im may be zeros).]`);
    expect(() => selectiveScanStep(t([2, 3, 4]), t([2, 1, 3]), t([2, 3]), t([3, 4]), t([2, 4]), t([2, 4]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: selectiveScanStep: u has shape [2, 1, 3], expected 2 axes ([B, E]). Pass one step of each sequence, without the L axis.]`);
  });
});
