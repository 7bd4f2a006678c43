import { backendMatrix, checkOperation, expectNoLeaks, expectTensorClose, kernelVariants, poisonOutputs, SeededValues, tensorsOf } from '@mamba360/testing';
import type { NamedArray, NamedArrays } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { GradientError } from '../../errors/index.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { segmentSums, ssdScan, ssdScanStep } from './index.ts';
import type { SsdScanOptions } from './index.ts';
import { ssdScanBackwardReference, ssdScanForwardReference } from './reference.ts';
import type { SsdScanInputs } from './reference.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

interface Setup {
  readonly batch?: number; readonly length?: number; readonly heads?: number; readonly headWidth?: number; readonly groups?: number; readonly stateSize?: number;
  readonly options?: string; // letters: D, W(ide D), z, b(ias), s(oftplus), h (initial state), v(arying A)
  readonly dtScale?: number; readonly scale?: number; readonly stateEvery?: number; readonly dtLimit?: readonly [number, number]; readonly sequence?: SequenceOptions;
}
interface Example {
  readonly inputs: Record<string, NamedArray>; readonly softplus: boolean; readonly sequence: SequenceOptions; readonly dtLimit: readonly [number, number] | undefined;
  readonly sizes: { batch: number; length: number; heads: number; headWidth: number; groups: number; stateSize: number; stateEvery: number };
}

function makeExample(setup: Setup, seed = 1): Example {
  const { batch = 2, length = 9, heads = 4, headWidth = 3, groups = 2, stateSize = 4, options = '', dtScale = 1, scale = 1, stateEvery = 0, sequence = {}, dtLimit } = setup;
  const random = new SeededValues(seed);
  const product = (shape: number[]): number => shape.reduce((a, b) => a * b, 1);
  const normal = (shape: number[], deviation = 1): NamedArray => ({ shape, values: random.normal(product(shape), deviation) });
  const whole = [batch, length, heads, headWidth], steps = [batch, length, heads];
  const softplus = options.includes('s');
  const decays = options.includes('v') ? steps : [heads];
  const inputs: Record<string, NamedArray> = {
    x: normal(whole, scale),
    dt: softplus ? normal(steps, dtScale) : { shape: steps, values: random.between(product(steps), 0.05 * dtScale, dtScale) },
    A: { shape: decays, values: random.between(product(decays), -2, -0.05) },
    B: normal([batch, length, groups, stateSize]), C: normal([batch, length, groups, stateSize]),
    ...(options.includes('D') ? { D: normal([heads]) } : {}),
    ...(options.includes('W') ? { D: normal([heads, headWidth]) } : {}),
    ...(options.includes('z') ? { z: normal(whole) } : {}),
    ...(options.includes('b') ? { dtBias: normal([heads]) } : {}),
    ...(options.includes('h') ? { state: normal([batch, heads, headWidth, stateSize]) } : {}),
  };
  return { inputs, softplus, sizes: { batch, length, heads, headWidth, groups, stateSize, stateEvery }, sequence, dtLimit };
}

const scan = (t: Record<string, Tensor>, { softplus, sequence, dtLimit }: Partial<Pick<Example, 'softplus' | 'sequence' | 'dtLimit'>>, extra: SsdScanOptions = {}) =>
  ssdScan(t['x']!, t['dt']!, t['A']!, t['B']!, t['C']!, { D: t['D'], z: t['z'], dtBias: t['dtBias'], state: t['state'], dtSoftplus: softplus, dtLimit, ...sequence, ...extra });

function referenceInputs({ inputs, softplus, sizes, sequence, dtLimit }: Example): SsdScanInputs {
  const v = (name: string) => inputs[name]?.values;
  return {
    ...sizes, softplus, varyingDecay: inputs['A']!.shape.length === 3, wideSkip: inputs['D']?.shape.length === 2, dtLeast: dtLimit?.[0] ?? -Infinity, dtMost: dtLimit?.[1] ?? Infinity,
    x: v('x')!, dt: v('dt')!, A: v('A')!, B: v('B')!, C: v('C')!, D: v('D'), z: v('z'), dtBias: v('dtBias'), initialState: v('state'),
    control: controlBytes('test', sizes.batch, sizes.length, sequence),
  };
}

function check(example: Example): void {
  const inputs = referenceInputs(example);
  const { y, finalState, states } = ssdScanForwardReference(inputs);
  checkOperation({
    tf, inputs: example.inputs,
    run: (tensors) => {
      const { stateEvery } = example.sizes;
      const result = scan(tensors, example, stateEvery > 0 ? { returnStates: 'chunk', chunkLength: stateEvery } : {});
      return { output: result.output, state: result.state, ...(result.states ? { states: result.states } : {}) };
    },
    expected: { output: y, state: finalState, ...(states ? { states } : {}) },
    expectedGradients: (slopes) => {
      const g = ssdScanBackwardReference(inputs, slopes['output']!, slopes['state'], slopes['states'] ?? null);
      return { x: g.dx, dt: g.dDt, A: g.dA, B: g.dB, C: g.dC, D: g.dD, z: g.dz, dtBias: g.dDtBias, state: g.dInitialState };
    },
  });
}

const HOLES = [[true, false, true, true, false, false, true, true, true], [false, false, true, false, true, true, true, true, false]];
const PACKED = [[0, 0, 0, 1, 1, 2, 2, 2, 2], [5, 5, 5, 5, 5, 5, 3, 3, 5]];
const ALL = 'Wzbshv';

const SETUPS: [string, Setup][] = [
  ['no options', {}],
  ...['D', 'W', 'z', 'b', 's', 'h', 'v', 'zs', 'Dbs', 'Dzbsh', ALL].map((options): [string, Setup] => [`options ${options}`, { options }]),
  ['one group', { groups: 1, options: ALL }],
  ['a group for each head', { groups: 4, options: 'Dzbsh' }],
  ['one head', { heads: 1, groups: 1, options: 'Dzbsh' }],
  ['heads in several tasks', { batch: 1, heads: 18, groups: 1, headWidth: 2, options: 'Dzbsh' }],
  ...[1, 2, 3, 63, 64, 65, 257].map((length): [string, Setup] => [`length ${length}`, { length, batch: 1, groups: 1, options: 'Dzbsh' }]),
  ...[1, 2, 7, 16, 17].map((stateSize): [string, Setup] => [`state size ${stateSize}`, { stateSize, options: 'Dzbsh' }]),
  ...[1, 4, 15, 16, 17, 33].map((headWidth): [string, Setup] => [`head width ${headWidth}`, { headWidth, options: 'Wzbsh' }]),
  ['states in chunks', { length: 11, stateEvery: 4, options: 'Dzbsh' }],
  ['all states', { stateEvery: 1, options: 'h' }],
  ['one chunk longer than the sequence', { stateEvery: 20, options: 'h' }],
  ['states in chunks over many checkpoints', { batch: 1, length: 150, heads: 2, groups: 1, stateEvery: 50, options: 'Dzbsh' }],
  ['limits of dt', { dtLimit: [0.2, 0.7], options: 'Dzbsh' }],
  ['tiny steps', { dtScale: 1e-4, options: 'Dzh' }],
  ['extreme steps', { dtScale: 60, options: 'Dzh' }],
  ['extreme steps through softplus', { dtScale: 30, options: 'sh' }],
  ['values of 1e4', { scale: 1e4, options: 'Dzbsh' }],
  ['lengths', { sequence: { lengths: [9, 4] }, options: 'Dzbsh' }],
  ['a mask with holes', { sequence: { mask: HOLES }, options: ALL }],
  ['packed segments', { sequence: { segments: PACKED }, options: 'Dzbsh' }],
  ['packed segments with holes, states and an earlier segment', { sequence: { segments: PACKED, mask: HOLES, previousSegments: [0, 4] }, stateEvery: 2, options: ALL }],
  ['a sequence masked throughout', { sequence: { lengths: [0, 9] }, options: 'Dzbsh' }],
  ['a long mask over checkpoints', { batch: 1, length: 200, heads: 2, groups: 1, sequence: { mask: [Array.from({ length: 200 }, (_, t) => t % 3 !== 0)] }, options: ALL }],
];
const OF_STEPS = ['x', 'dt', 'B', 'C', 'z'];

describe.each(variants)('ssdScan on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each(SETUPS)('equals the float64 reference: %s', (_label, setup) => check(makeExample(setup)));

  it('takes an empty batch', () => {
    const { inputs } = makeExample({ batch: 0, options: 'Dzbsh' });
    tf.tidy(() => {
      const tensors = tensorsOf(tf, inputs);
      expect(scan(tensors, { softplus: true }).state.shape).toEqual([0, 4, 3, 4]);
      expect([...tf.grad((A: Tensor) => tf.sum(scan({ ...tensors, A }, { softplus: true }).output))(tensors['A']!).dataSync()]).toEqual([0, 0, 0, 0]);
    });
  });

  it('gives one result whole, in chunks at random places, and step by step', () => {
    const example = makeExample({ length: 141, options: 'Dzbsh', heads: 2, groups: 1 });
    const random = new SeededValues(9);
    tf.tidy(() => {
      const tensors = tensorsOf(tf, example.inputs);
      const whole = scan(tensors, example);
      const slice = (x: Tensor, from: number, to: number): Tensor => tf.slice(x, [0, from], [x.shape[0]!, to - from]);
      for (const most of [7, 16, 90]) {
        let state = tensors['state']!;
        const outputs: Tensor[] = [];
        for (let from = 0; from < 141;) {
          const to = Math.min(141, from + random.integer(1, most));
          const part = scan({ ...tensors, ...Object.fromEntries(OF_STEPS.map((key) => [key, slice(tensors[key]!, from, to)])), state }, example);
          outputs.push(part.output);
          state = part.state;
          from = to;
        }
        expectTensorClose(tf.concat(outputs, 1), whole.output, { kind: 'output' });
        expectTensorClose(state, whole.state, { kind: 'state' });
      }
      let state = tensors['state']!;
      const outputs: Tensor[] = [];
      for (let t = 0; t < 141; t++) {
        const at = (key: string): Tensor => tf.squeeze(slice(tensors[key]!, t, t + 1), [1]);
        const step = ssdScanStep(state, at('x'), at('dt'), tensors['A']!, at('B'), at('C'), { D: tensors['D'], z: at('z'), dtBias: tensors['dtBias'], dtSoftplus: true });
        outputs.push(step.output);
        state = step.state;
      }
      expectTensorClose(tf.stack(outputs, 1), whole.output, { kind: 'output' });
      expectTensorClose(state, whole.state, { kind: 'state' });
    });
  });

  it('takes a decay of each step in a step too', () => {
    tf.tidy(() => {
      const { inputs } = makeExample({ length: 1, options: 'vh' });
      const t = tensorsOf(tf, inputs);
      const at = (key: string): Tensor => tf.squeeze(t[key]!, [1]);
      expectTensorClose(ssdScanStep(t['state']!, at('x'), at('dt'), at('A'), at('B'), at('C')).output, at('x').shape.length === 3 ? tf.squeeze(scan(t, {}).output, [1]) : at('x'), { kind: 'output' });
    });
  });

  it('is the product with the masked matrix that segmentSums gives', () => {
    tf.tidy(() => {
      const { inputs } = makeExample({ length: 70, heads: 2, groups: 1, options: 'v', batch: 1 });
      const t = tensorsOf(tf, inputs);
      const heads = (tensor: Tensor): Tensor => tf.transpose(tensor, [0, 2, 1, 3]); // [B, H, L, .]
      const mask = tf.exp(segmentSums(tf.transpose(tf.mul(t['A']!, t['dt']!), [0, 2, 1])));
      const scores = tf.mul(tf.matMul(heads(t['C']!), heads(t['B']!), false, true), mask);
      const input = heads(tf.mul(t['x']!, tf.expandDims(t['dt']!, -1)));
      expectTensorClose(scan(t, {}).output, tf.transpose(tf.matMul(scores, input), [0, 2, 1, 3]), { kind: 'output' });
    });
  });

  it('gives a batch what each of its sequences gets alone, wherever padding stands', () => {
    const example = makeExample({ options: 'Dzbs' });
    tf.tidy(() => {
      const tensors = tensorsOf(tf, example.inputs);
      const padded = scan(tensors, { softplus: true, sequence: { mask: [HOLES[0]!, PACKED[0]!.map((_, t) => t >= 4)] } });
      for (const [b, steps] of [[0, [0, 2, 3, 6, 7, 8]], [1, [4, 5, 6, 7, 8]]] as const) {
        const pick = (key: string): Tensor => tf.gather(tf.slice(tensors[key]!, [b], [1]), tf.tensor1d([...steps], 'int32'), 1);
        const alone = scan({ ...tensors, ...Object.fromEntries(OF_STEPS.map((key) => [key, pick(key)])) }, { softplus: true });
        expectTensorClose(tf.gather(tf.slice(padded.output, [b], [1]), tf.tensor1d([...steps], 'int32'), 1), alone.output, { kind: 'output' });
        expectTensorClose(tf.slice(padded.state, [b], [1]), alone.state, { kind: 'state' });
      }
      expect([...tf.slice(padded.output, [1, 0], [1, 4]).dataSync()].every((value) => value === 0)).toBe(true);
    });
  });

  it('passes NaN and infinities on, forward in time only', () => {
    tf.tidy(() => {
      const { inputs } = makeExample({ batch: 1, length: 14, heads: 2, groups: 1, headWidth: 1 });
      const tensors = tensorsOf(tf, inputs);
      for (const [key, value] of [['x', Number.NaN], ['x', -Infinity], ['dt', Number.NaN]] as const) {
        const changed = tf.tensor([...inputs[key]!.values].map((old, i) => (i === 6 ? value : old)), [...inputs[key]!.shape]);
        const output = scan({ ...tensors, [key]: changed }, {}).output.dataSync();
        for (let t = 0; t < 14; t++) {
          expect(Number.isFinite(output[2 * t]!), `${key} ${value}, head 0, step ${t}`).toBe(t < 3);
          expect(Number.isFinite(output[2 * t + 1]!), `${key} ${value}, head 1, step ${t}`).toBe(true);
        }
      }
      const closed = tf.fill([1, 14, 2], -Infinity);
      expect(scan({ ...tensors, dt: closed }, { softplus: true }).output.dataSync().every((value) => value === 0)).toBe(true);
    });
  });

  it('ignores what stands at masked steps, NaN too, forward and backward', () => {
    const example = makeExample({ options: 'Dzbsh', sequence: { mask: HOLES } });
    const poisoned: NamedArrays = Object.fromEntries(Object.entries(example.inputs).map(([key, { shape, values }]) => {
      if (!OF_STEPS.includes(key)) return [key, { shape, values }];
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
      const inner = (x: Tensor): Tensor => tf.grad((y: Tensor) => tf.sum(tf.square(scan({ ...tensors, x: y }, {}).output)))(x);
      expect(() => tf.grad((x: Tensor) => tf.sum(inner(x)))(tensors['x']!)).toThrow(GradientError);
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
});

describe('ssdScan says what is wrong', () => {
  const t = (shape: number[], dtype: 'float32' | 'int32' = 'float32'): Tensor => tf.zeros(shape, dtype);
  const call = (change: Partial<Record<'x' | 'dt' | 'A' | 'B' | 'C', Tensor>>, options: SsdScanOptions = {}) => () => {
    const all = { x: t([2, 16, 4, 8]), dt: t([2, 16, 4]), A: t([4]), B: t([2, 16, 2, 5]), C: t([2, 16, 2, 5]), ...change };
    ssdScan(all.x, all.dt, all.A, all.B, all.C, options);
  };

  it('shapes', () => {
    expect(call({ x: t([2, 16, 32]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: ssdScan: x has shape [2, 16, 32], expected 4 axes ([B, L, H, P]). Split the inner width into heads with tf.reshape(x, [batch, length, heads, headWidth]).]`);
    expect(call({ x: t([2, 0, 4, 8]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: ssdScan: x has shape [2, 0, 4, 8], expected at least one step, head and channel ([B, L, H, P]). Split the inner width into heads with tf.reshape(x, [batch, length, heads, headWidth]).]`);
    expect(call({ dt: t([2, 16, 32]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: ssdScan: dt has shape [2, 16, 32], expected [2, 16, 4] ([B, L, H], one step size for each head). Give one step size for each head, not for each channel.]`);
    expect(call({ A: t([4, 5]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: ssdScan: A has shape [4, 5], expected [4] ([H]). Give one decay rate for each head, [H], or for each head and step, [B, L, H].]`);
    expect(call({ A: t([2, 16, 3]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: ssdScan: A has shape [2, 16, 3], expected [2, 16, 4] ([B, L, H], varying). Give one decay rate for each head, [H], or for each head and step, [B, L, H].]`);
    expect(call({ B: t([2, 16, 5]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: ssdScan: B has shape [2, 16, 5], expected 4 axes ([B, L, G, N]). B and C are [B, L, G, N]; one group for all heads is [B, L, 1, N].]`);
    expect(call({ B: t([2, 16, 3, 5]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: ssdScan: B has shape [2, 16, 3, 5], so 3 groups, expected a number that divides the 4 heads (H). B and C are [B, L, G, N]; one group for all heads is [B, L, 1, N].]`);
    expect(call({ C: t([2, 16, 1, 5]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: ssdScan: C has shape [2, 16, 1, 5], expected [2, 16, 2, 5] ([B, L, G, N], as B). B and C are [B, L, G, N]; one group for all heads is [B, L, 1, N].]`);
    expect(call({}, { D: t([8]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: ssdScan: D has shape [8], expected [4] ([H]). Give one factor for each head, [H], or for each channel, [H, P].]`);
    expect(call({}, { z: t([2, 16, 32]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: ssdScan: z has shape [2, 16, 32], expected [2, 16, 4, 8] ([B, L, H, P], as x). Split the inner width into heads with tf.reshape(x, [batch, length, heads, headWidth]).]`);
    expect(call({}, { dtBias: t([8]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: ssdScan: dtBias has shape [8], expected [4] ([H]). Give one bias for each head.]`);
    expect(call({}, { state: t([2, 4, 5, 8]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: ssdScan: state has shape [2, 4, 5, 8], expected [2, 4, 8, 5] ([B, H, P, N]). Pass the state that an earlier call with the same batch returned.]`);
    expect(() => ssdScanStep(t([2, 4, 8, 5]), t([2, 1, 4, 8]), t([2, 4]), t([4]), t([2, 2, 5]), t([2, 2, 5]))).toThrowErrorMatchingInlineSnapshot(`[ShapeError: ssdScanStep: x has shape [2, 1, 4, 8], expected 3 axes ([B, H, P]). Pass one step of each sequence, without the L axis.]`);
  });

  it('options', () => {
    expect(call({ x: t([2, 16, 4, 8], 'int32') })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: ssdScan: x has dtype int32, expected float32. Cast it with tf.cast(x, 'float32').]`);
    expect(call({}, { returnStates: 'some' as never })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: ssdScan: returnStates is 'some', expected 'last', 'chunk' or 'all'. Leave it out for 'last'.]`);
    expect(call({}, { chunkLength: 0 })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: ssdScan: chunkLength is 0, expected an integer of at least 1 (steps). Leave it out for 64.]`);
    expect(call({}, { dtLimit: [2, 1] })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: ssdScan: dtLimit is [2, 1], expected [least, most] with least <= most (steps). Leave it out for no limits.]`);
    expect(() => segmentSums(t([3], 'int32'))).toThrowErrorMatchingInlineSnapshot(`[ConfigError: segmentSums: x has dtype int32, expected float32. Cast it with tf.cast(x, 'float32').]`);
  });
});
