import { backendMatrix, checkOperation, expectNoLeaks, expectTensorClose, kernelVariants, poisonOutputs, SeededValues, tensorsOf } from '@mamba360/testing';
import type { NamedArray, NamedArrays } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { GradientError } from '../../errors/index.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { mamba3Scan, mamba3ScanStep } from './index.ts';
import type { Mamba3ScanOptions, Mamba3ScanState } from './index.ts';
import { mamba3ScanBackwardReference, mamba3ScanForwardReference } from './reference.ts';
import type { Mamba3ScanInputs } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

interface Setup {
  readonly batch?: number; readonly length?: number; readonly heads?: number; readonly headWidth?: number; readonly groups?: number; readonly stateSize?: number; readonly rank?: number; readonly rotated?: number;
  readonly options?: string; // letters: b(iases) D z m(imo projections) n(orm) h (initial state) a(ngles of each head) u(nwrapped)
  readonly dtScale?: number; readonly scale?: number; readonly sequence?: SequenceOptions;
}
interface Example { readonly inputs: Record<string, NamedArray>; readonly sizes: { batch: number; length: number; heads: number; headWidth: number; groups: number; stateSize: number; rank: number; rotated: number }; readonly wrapAngles: boolean; readonly sequence: SequenceOptions }

function makeExample({ batch = 2, length = 9, heads = 4, headWidth = 3, groups = 2, stateSize = 6, rank = 1, rotated = 2, options = '', dtScale = 1, scale = 1, sequence = {} }: Setup, seed = 1): Example {
  const random = new SeededValues(seed);
  const product = (shape: number[]): number => shape.reduce((a, b) => a * b, 1);
  const normal = (shape: number[], deviation = 1): NamedArray => ({ shape, values: random.normal(product(shape), deviation) });
  const between = (shape: number[], low: number, high: number): NamedArray => ({ shape, values: random.between(product(shape), low, high) });
  const has = (letter: string): boolean => options.includes(letter);
  const whole = [batch, length, heads, headWidth], steps = [batch, length, heads], projection = [heads, rank, headWidth];
  return {
    sizes: { batch, length, heads, headWidth, groups, stateSize, rank, rotated }, wrapAngles: !has('u'), sequence,
    inputs: {
      x: normal(whole, scale), dt: between(steps, 0.05 * dtScale, dtScale), logDecay: between(steps, -1.5, -0.02), trap: normal(steps),
      B: normal([batch, length, rank, groups, stateSize]), C: normal([batch, length, rank, groups, stateSize]), angles: normal([batch, length, has('a') ? heads : 1, rotated]),
      ...(has('b') ? { bBias: normal([heads, rank, stateSize]), cBias: normal([heads, rank, stateSize]) } : {}),
      ...(has('D') ? { D: normal([heads]) } : {}), ...(has('z') ? { z: normal(whole) } : {}),
      ...(has('m') ? { xProjection: normal(projection), zProjection: normal(projection), outProjection: normal(projection) } : {}),
      ...(has('n') ? { normWeight: normal([heads, headWidth]) } : {}),
      ...(has('h') ? {
        'state.angle': between([batch, heads, rotated], 0.5, 5.5), 'state.ssm': normal([batch, heads, headWidth, stateSize]),
        'state.B': normal([batch, heads, rank, stateSize]), 'state.x': normal([batch, heads, rank, headWidth]),
      } : {}),
    },
  };
}

type Tensors = Record<string, Tensor>;
const stateOf = (t: Tensors): Mamba3ScanState | undefined => (t['state.ssm'] ? { angle: t['state.angle']!, ssm: t['state.ssm'], B: t['state.B']!, x: t['state.x']! } : undefined);
const optionsOf = (t: Tensors) => ({ bBias: t['bBias'], cBias: t['cBias'], D: t['D'], z: t['z'], xProjection: t['xProjection'], zProjection: t['zProjection'], outProjection: t['outProjection'], normWeight: t['normWeight'] });
const inputsOf = (t: Tensors) => ({ x: t['x']!, dt: t['dt']!, logDecay: t['logDecay']!, trap: t['trap']!, B: t['B']!, C: t['C']!, angles: t['angles']! });
const scan = (t: Tensors, { sequence = {}, wrapAngles }: Partial<Pick<Example, 'sequence' | 'wrapAngles'>> = {}) =>
  mamba3Scan(inputsOf(t), { ...optionsOf(t), ...sequence, wrapAngles, state: stateOf(t) });

function referenceInputs({ inputs, sizes, wrapAngles, sequence }: Example): Mamba3ScanInputs {
  const v = (name: string) => inputs[name]?.values;
  return {
    ...sizes, wrapAngles, sharedAngles: inputs['angles']!.shape[2] === 1, normEpsilon: 1e-5, x: v('x')!, dt: v('dt')!, logDecay: v('logDecay')!, trap: v('trap')!, B: v('B')!, C: v('C')!, angles: v('angles')!,
    bBias: v('bBias'), cBias: v('cBias'), D: v('D'), z: v('z'), xProjection: v('xProjection'), zProjection: v('zProjection'), outProjection: v('outProjection'), normWeight: v('normWeight'),
    initialAngle: v('state.angle'), initialState: v('state.ssm'), initialB: v('state.B'), initialX: v('state.x'), control: controlBytes('test', sizes.batch, sizes.length, sequence),
  };
}

function check(example: Example): void {
  const inputs = referenceInputs(example);
  const { y, finalAngle, finalState, finalB, finalX } = mamba3ScanForwardReference(inputs);
  checkOperation({
    tf, inputs: example.inputs,
    run: (tensors) => {
      const { output, state } = scan(tensors, example);
      return { output, 'state.angle': state.angle, 'state.ssm': state.ssm, 'state.B': state.B, 'state.x': state.x };
    },
    expected: { output: y, 'state.angle': finalAngle, 'state.ssm': finalState, 'state.B': finalB, 'state.x': finalX },
    expectedGradients: (slopes) => {
      const g = mamba3ScanBackwardReference(inputs, { dy: slopes['output']!, dFinalAngle: slopes['state.angle'], dFinalState: slopes['state.ssm'], dFinalB: slopes['state.B'], dFinalX: slopes['state.x'] });
      return {
        x: g.dx, dt: g.dDt, logDecay: g.dLogDecay, trap: g.dTrap, B: g.dB, C: g.dC, angles: g.dAngles, bBias: g.dBBias, cBias: g.dCBias, D: g.dD, z: g.dz, xProjection: g.dXProjection,
        zProjection: g.dZProjection, outProjection: g.dOutProjection, normWeight: g.dNormWeight, 'state.angle': g.dInitialAngle, 'state.ssm': g.dInitialState, 'state.B': g.dInitialB, 'state.x': g.dInitialX,
      };
    },
  });
}

const HOLES = [[true, false, true, true, false, false, true, true, true], [false, false, true, false, true, true, true, true, false]];
const PACKED = [[0, 0, 0, 1, 1, 2, 2, 2, 2], [5, 5, 5, 5, 5, 5, 3, 3, 5]];
const ALL = 'bDzmnha';

const SETUPS: [string, Setup][] = [
  ['no options', {}],
  ...['b', 'D', 'z', 'm', 'n', 'h', 'a', 'u', 'zm', 'Dzn', ALL].map((options): [string, Setup] => [`options ${options}`, { options }]),
  ...[2, 3, 4].map((rank): [string, Setup] => [`rank ${rank}`, { rank, options: ALL }]),
  ['rank 2 without projections', { rank: 2, options: 'bzh' }],
  ['one group', { groups: 1, options: ALL }],
  ['a group for each head', { groups: 4, options: 'bDzh' }],
  ['one head', { heads: 1, groups: 1, options: ALL }],
  ['heads in several tasks', { batch: 1, heads: 18, groups: 1, headWidth: 2, options: 'bDzh' }],
  ...[1, 2, 3, 63, 64, 65, 257].map((length): [string, Setup] => [`length ${length}`, { length, batch: 1, heads: 3, groups: 1, options: 'bDzh' }]),
  ...[2, 4, 7, 16, 17, 34].map((stateSize): [string, Setup] => [`state size ${stateSize}`, { stateSize, rotated: Math.floor(stateSize / 2), options: ALL }]),
  ...[1, 4, 15, 16, 17, 33].map((headWidth): [string, Setup] => [`head width ${headWidth}`, { headWidth, options: 'bDzmha' }]),
  ['many angles', { stateSize: 40, rotated: 20, options: 'bha' }],
  ['tiny steps', { dtScale: 1e-4, options: 'Dzh' }],
  ['large steps', { dtScale: 30, options: 'bDzh' }],
  ['values of 1e4', { scale: 1e4, options: 'bDzh' }],
  ['lengths', { sequence: { lengths: [9, 4] }, options: ALL }],
  ['a mask with holes', { sequence: { mask: HOLES }, options: ALL, rank: 2 }],
  ['packed segments', { sequence: { segments: PACKED }, options: ALL }],
  ['packed segments with holes and an earlier segment', { sequence: { segments: PACKED, mask: HOLES, previousSegments: [0, 4] }, options: ALL }],
  ['a sequence masked throughout', { sequence: { lengths: [0, 9] }, options: 'bDzh' }],
  ['a long mask over checkpoints', { batch: 1, length: 200, heads: 2, groups: 1, sequence: { mask: [Array.from({ length: 200 }, (_, t) => t % 3 !== 0)] }, options: 'bDzh' }],
];
const OF_STEPS = ['x', 'dt', 'logDecay', 'trap', 'B', 'C', 'angles', 'z'];
const LEAVES = ['angle', 'ssm', 'B', 'x'] as const;

describe.each(variants)('mamba3Scan on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each(SETUPS)('equals the float64 reference: %s', (_label, setup) => check(makeExample(setup)));

  it('takes an empty batch', () => {
    const { inputs } = makeExample({ batch: 0, options: ALL });
    tf.tidy(() => {
      const t = tensorsOf(tf, inputs);
      expect(scan(t).state.ssm.shape).toEqual([0, 4, 3, 6]);
      expect([...tf.grad((D: Tensor) => tf.sum(scan({ ...t, D }).output))(t['D']!).dataSync()]).toEqual([0, 0, 0, 0]);
    });
  });

  it.each([1, 2])('gives one result whole, in chunks at random places, and step by step: rank %i', (rank) => {
    const example = makeExample({ length: 81, options: ALL, heads: 2, groups: 1, rank });
    const random = new SeededValues(9);
    tf.tidy(() => {
      const t = tensorsOf(tf, example.inputs);
      const whole = scan(t);
      const slice = (x: Tensor, from: number, to: number): Tensor => tf.slice(x, [0, from], [x.shape[0]!, to - from]);
      const carry = (state: Mamba3ScanState): Tensors => ({ 'state.angle': state.angle, 'state.ssm': state.ssm, 'state.B': state.B, 'state.x': state.x });
      for (const most of [7, 60]) {
        let state = stateOf(t)!;
        const outputs: Tensor[] = [];
        for (let from = 0; from < 81;) {
          const to = Math.min(81, from + random.integer(1, most));
          const part = scan({ ...t, ...Object.fromEntries(OF_STEPS.map((key) => [key, slice(t[key]!, from, to)])), ...carry(state) });
          outputs.push(part.output);
          ({ state } = part);
          from = to;
        }
        expectTensorClose(tf.concat(outputs, 1), whole.output, { kind: 'output' });
        for (const leaf of LEAVES) expectTensorClose(state[leaf], whole.state[leaf], { kind: 'state', name: leaf });
      }
      let state = stateOf(t)!;
      const outputs: Tensor[] = [];
      for (let at = 0; at < 81; at++) {
        const step = Object.fromEntries(OF_STEPS.map((key) => [key, tf.squeeze(slice(t[key]!, at, at + 1), [1])]));
        const result = mamba3ScanStep(state, inputsOf(step), { ...optionsOf(t), z: step['z'] });
        outputs.push(result.output);
        ({ state } = result);
      }
      expectTensorClose(tf.stack(outputs, 1), whole.output, { kind: 'output' });
      for (const leaf of LEAVES) expectTensorClose(state[leaf], whole.state[leaf], { kind: 'state', name: leaf });
    });
  });

  it('takes B and C without a rank axis', () => {
    tf.tidy(() => {
      const t = tensorsOf(tf, makeExample({ options: ALL }).inputs);
      const flat = { ...t, B: tf.squeeze(t['B']!, [2]), C: tf.squeeze(t['C']!, [2]) };
      expect([...scan(flat).output.dataSync()]).toEqual([...scan(t).output.dataSync()]);
    });
  });

  it('leaves masked steps out as if they did not exist', () => {
    const example = makeExample({ options: ALL });
    tf.tidy(() => {
      const t = tensorsOf(tf, example.inputs);
      const padded = scan(t, { sequence: { mask: HOLES } });
      const steps = tf.tensor1d([0, 2, 3, 6, 7, 8], 'int32');
      const pick = (key: string): Tensor => (OF_STEPS.includes(key) ? tf.gather(tf.slice(t[key]!, [0], [1]), steps, 1) : key.startsWith('state') ? tf.slice(t[key]!, [0], [1]) : t[key]!);
      const alone = scan(Object.fromEntries(Object.keys(t).map((key) => [key, pick(key)])));
      expectTensorClose(tf.gather(tf.slice(padded.output, [0], [1]), steps, 1), alone.output, { kind: 'output' });
      for (const leaf of LEAVES) expectTensorClose(tf.slice(padded.state[leaf], [0], [1]), alone.state[leaf], { kind: 'state', name: leaf });
    });
  });

  it('passes NaN and infinities on, forward in time only', () => {
    tf.tidy(() => {
      const { inputs } = makeExample({ batch: 1, length: 14, heads: 2, groups: 1, headWidth: 1 });
      const t = tensorsOf(tf, inputs);
      for (const [key, value] of [['x', Number.NaN], ['x', -Infinity], ['dt', Number.NaN]] as const) {
        const changed = tf.tensor([...inputs[key]!.values].map((old, i) => (i === 6 ? value : old)), [...inputs[key]!.shape]);
        const output = scan({ ...t, [key]: changed }).output.dataSync();
        for (let at = 0; at < 14; at++) {
          expect(Number.isFinite(output[2 * at]!), `${key} ${value}, head 0, step ${at}`).toBe(at < 3);
          expect(Number.isFinite(output[2 * at + 1]!), `${key} ${value}, head 1, step ${at}`).toBe(true);
        }
      }
      const angles = tf.tensor([...inputs['angles']!.values].map((old, i) => (i === 6 ? Number.NaN : old)), [...inputs['angles']!.shape]);
      expect(scan({ ...t, angles }).output.dataSync()[6]).toBeNaN();
      expect(scan({ ...t, logDecay: tf.fill([1, 14, 2], -Infinity) }).output.dataSync().every(Number.isFinite)).toBe(true);
    });
  });

  it('ignores what stands at masked steps, NaN too, forward and backward', () => {
    const example = makeExample({ options: ALL, sequence: { mask: HOLES } });
    const poisoned: NamedArrays = Object.fromEntries(Object.entries(example.inputs).map(([key, { shape, values }]) => {
      if (!OF_STEPS.includes(key)) return [key, { shape, values }];
      const width = values.length / 18;
      return [key, { shape, values: values.map((value, i) => (HOLES[Math.floor(i / width / 9)]![Math.floor(i / width) % 9] ? value : Number.NaN)) }];
    }));
    tf.tidy(() => {
      const names = Object.keys(example.inputs);
      const results = [example.inputs, poisoned].map((inputs) => {
        const t = tensorsOf(tf, inputs);
        const { value, grads } = tf.engine().gradients(() => {
          const { output, state } = scan(t, example);
          return tf.addN([tf.sum(tf.square(output)), tf.sum(state.ssm), tf.sum(state.angle)]);
        }, names.map((key) => t[key]!));
        return [value, ...grads].map((tensor) => [...tensor.dataSync()]);
      });
      expect(results[1]).toEqual(results[0]);
    });
  });

  it('refuses a second gradient, and trains without leaving tensors', () => {
    const example = makeExample({ options: 'bDz' });
    tf.tidy(() => {
      const t = tensorsOf(tf, example.inputs);
      const inner = (x: Tensor): Tensor => tf.grad((y: Tensor) => tf.sum(tf.square(scan({ ...t, x: y }).output)))(x);
      expect(() => tf.grad((x: Tensor) => tf.sum(inner(x)))(t['x']!)).toThrow(GradientError);
    });
    const t = tf.tidy(() => Object.fromEntries(Object.entries(tensorsOf(tf, example.inputs)).map(([key, tensor]) => [key, tf.keep(tensor)])));
    const variable = tf.variable(t['D']!);
    const optimizer = tf.train.sgd(1e-2);
    const loss = (): Tensor => tf.mean(tf.square(scan({ ...t, D: variable }).output));
    const first = tf.tidy(() => loss().dataSync()[0]!);
    optimizer.minimize(loss as never);
    expectNoLeaks(tf.memory, () => { for (let i = 0; i < 5; i++) optimizer.minimize(loss as never); });
    expect(tf.tidy(() => loss().dataSync()[0]!)).toBeLessThan(first);
    variable.dispose();
    optimizer.dispose();
    tf.dispose(t);
  });
});

describe('mamba3Scan says what is wrong', () => {
  const t = (shape: number[]): Tensor => tf.zeros(shape);
  const good = { x: t([2, 16, 4, 8]), dt: t([2, 16, 4]), logDecay: t([2, 16, 4]), trap: t([2, 16, 4]), B: t([2, 16, 1, 2, 6]), C: t([2, 16, 1, 2, 6]), angles: t([2, 16, 1, 2]) };
  const call = (change: Partial<typeof good>, options: Mamba3ScanOptions = {}) => () => { mamba3Scan({ ...good, ...change }, options); };

  it('shapes', () => {
    expect(call({ x: t([2, 16, 32]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: mamba3Scan: x has shape [2, 16, 32], expected 4 axes ([B, L, H, P]). Split the inner width into heads with tf.reshape(x, [batch, length, heads, headWidth]).]`);
    expect(call({ trap: t([2, 4, 16]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: mamba3Scan: trap has shape [2, 4, 16], expected [2, 16, 4] ([B, L, H]). Give one value for each head and step.]`);
    expect(call({ B: t([2, 16, 6]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: mamba3Scan: B has shape [2, 16, 6], expected 5 axes ([B, L, R, G, N]). B and C are [B, L, R, G, N], or [B, L, G, N] with one rank.]`);
    expect(call({ B: t([2, 16, 1, 3, 6]), C: t([2, 16, 1, 3, 6]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: mamba3Scan: B has shape [2, 16, 1, 3, 6], so 1 ranks and 3 groups, expected at least one rank and groups that divide the 4 heads (H). B and C are [B, L, R, G, N], or [B, L, G, N] with one rank.]`);
    expect(call({ C: t([2, 16, 2, 2, 6]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: mamba3Scan: C has shape [2, 16, 2, 2, 6], expected [2, 16, 1, 2, 6] ([B, L, R, G, N]). B and C are [B, L, R, G, N], or [B, L, G, N] with one rank.]`);
    expect(call({ angles: t([2, 16, 2, 2]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: mamba3Scan: angles has shape [2, 16, 2, 2], expected [2, 16, 4, 2] ([B, L, H, S] or [B, L, 1, S]). Give the angles of each head, or one set for all heads.]`);
    expect(call({ angles: t([2, 16, 4, 4]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: mamba3Scan: angles has shape [2, 16, 4, 4], so 4 pairs, expected 1 to 3, because the state has 6 entries (N). Give fewer angles, or a larger state.]`);
    expect(call({}, { bBias: t([4, 6]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: mamba3Scan: bBias has shape [4, 6], expected [4, 1, 6] ([H, R, N]). Give one bias for each head and rank.]`);
    expect(call({}, { normWeight: t([32]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: mamba3Scan: normWeight has shape [32], expected [4, 8] ([H, P]). Give one scale for each channel of each head.]`);
    expect(call({}, { state: { angle: t([2, 4, 2]), ssm: t([2, 4, 6, 8]), B: t([2, 4, 1, 6]), x: t([2, 4, 1, 8]) } })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: mamba3Scan: state.ssm has shape [2, 4, 6, 8], expected [2, 4, 8, 6] ([B, H, P, N]). Pass the state that an earlier call with the same batch returned.]`);
    expect(call({}, { normEpsilon: 0 })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: mamba3Scan: normEpsilon is 0, expected a number above 0. Leave it out for 1e-5.]`);
    expect(() => mamba3ScanStep({} as never, good)).toThrowErrorMatchingInlineSnapshot(`[ShapeError: mamba3ScanStep: x has shape [2, 16, 4, 8], expected 3 axes ([B, H, P]). Pass one step of each sequence, without the L axis.]`);
  });
});
