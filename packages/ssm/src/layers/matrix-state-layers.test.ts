import { BOUNDS, GoldenCase, tensorError } from '@mamba360/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../backend/index.ts';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError, ShapeError, StateError } from '../errors/index.ts';
import { Random } from '../random/index.ts';
import { gatedDeltaNetConfig, gatedDeltaNetParameters } from './gated-delta-net.ts';
import { DeltaNet, disposeState, GatedDeltaNet, Gla, Hgrn2, Mlstm, namedParameters, RetNet, Rwkv4, Rwkv5, Rwkv6, Rwkv7, RwkvChannelMix } from './index.ts';
import type { SequenceLayer } from './index.ts';
import { countedPositions } from './counted-positions.ts';
import { mlstmConfig, mlstmParameters } from './mlstm.ts';
import type { ParameterSpecs } from './parameters.ts';
import { rwkv4Config, rwkv4Parameters } from './rwkv4.ts';

beforeAll(async () => { await useBackend('cpu'); });

const read = (name: string): Promise<GoldenCase> => GoldenCase.read(new URL(`./__golden__/${name}.json`, import.meta.url).pathname);
const error = (actual: ArrayLike<number>, golden: GoldenCase, name: string): number => tensorError(actual, golden.value(name).values).relative;

describe.each([
  ['RetNet', 'retention_D8_V16_H2_L12', ['x', 'dy', 'angle', 'decay'], RetNet.fromOfficial],
  ['mLSTM', 'mlstm_layer_D8_NH2', ['x', 'dy'], Mlstm.fromOfficial],
] as const)('%s', (_label, name, others, fromOfficial) => {
  it('equals the official layer: output and every gradient', async () => {
    const golden = await read(name);
    const weights = Object.keys(golden.description.inputs).filter((input) => !(others as readonly string[]).includes(input));
    using layer = fromOfficial(Object.fromEntries(weights.map((weight) => {
      const { shape, values } = golden.value(weight);
      return [weight, { shape: [...shape], values }];
    })), golden.description.params) as SequenceLayer & Disposable;
    tf.tidy(() => {
      const tensor = (input: string) => tf.tensor(Float32Array.from(golden.value(input).values), [...golden.value(input).shape]);
      const x = tensor('x');
      expect(error(layer.apply(x).output.dataSync(), golden, 'y')).toBeLessThan(BOUNDS.output);
      const variables = namedParameters(layer.parameters);
      expect(variables.map(([variable]) => variable).sort()).toEqual([...weights].sort());
      const { grads } = tf.engine().gradients(() => tf.sum(tf.mul(layer.apply(x).output, tensor('dy'))), [x, ...variables.map(([, variable]) => variable)]);
      expect(error(grads[0]!.dataSync(), golden, 'grad_x')).toBeLessThan(BOUNDS.gradient);
      for (const [i, [variable]] of variables.entries()) expect(error(grads[i + 1]!.dataSync(), golden, `grad_${variable}`), variable).toBeLessThan(BOUNDS.gradient);
    });
  });
});

const LAYERS: readonly (readonly [string, () => SequenceLayer])[] = [
  ['retnet', () => RetNet.create({ dModel: 8, numHeads: 2 })], ['gla', () => Gla.create({ dModel: 8, numHeads: 2 })], ['hgrn2', () => Hgrn2.create({ dModel: 8, expandRatio: 4 })],
  ['delta-net', () => DeltaNet.create({ dModel: 8 })], ['gated-delta-net', () => GatedDeltaNet.create({ dModel: 8, numHeads: 2, headDim: 4 })], ['mlstm', () => Mlstm.create({ dModel: 8 })],
  ['rwkv4', () => Rwkv4.create({ dModel: 8 })], ['rwkv5', () => Rwkv5.create({ dModel: 8, headSize: 4 })], ['rwkv6', () => Rwkv6.create({ dModel: 8, headSize: 4 })],
  ['rwkv7', () => Rwkv7.create({ dModel: 8, headSize: 4 })], ['rwkv-channel-mix', () => RwkvChannelMix.create({ dModel: 8, version: 7 })],
];

describe.each(LAYERS)('%s', (kind, create) => {
  it('leaks nothing, refuses inputs and states that are not its own, disposes twice', () => {
    const before = tf.memory().numTensors;
    const layer = create();
    expect(layer.kind).toBe(kind);
    const x = tf.ones([2, 3, 8]);
    const { output, state } = layer.apply(x);
    expect(output.shape).toEqual([2, 3, 8]);
    const row = tf.ones([2, 8]);
    const step = layer.step(row, state);
    expect(() => layer.apply(row)).toThrow(ShapeError);
    expect(() => layer.step(x, state)).toThrow(ShapeError);
    expect(() => layer.apply(x, { state: { hidden: x } as never })).toThrow(StateError);
    disposeState(state);
    expect(() => layer.step(row, state)).toThrow('was disposed before');
    disposeState(step.state);
    tf.dispose([output, step.output, x, row]);
    layer.dispose();
    layer.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('first values as published', () => {
  const valuesOf = (specs: ParameterSpecs, name: string): Float32Array => specs[name]!.initialise(specs[name]!.shape, Random.fromSeed(3).split(name));

  it('Gated DeltaNet: A below 16, steps log-uniform between .001 and .1', () => {
    const specs = gatedDeltaNetParameters(gatedDeltaNetConfig({ dModel: 8, numHeads: 512, headDim: 1, expandV: 1 }));
    const decays = valuesOf(specs, 'A_log').map(Math.exp);
    expect(Math.max(...decays)).toBeLessThan(16);
    expect(decays.reduce((sum, value) => sum + value, 0) / 512).toBeCloseTo(8, -0.5);
    const steps = valuesOf(specs, 'dt_bias').map((bias) => Math.log1p(Math.exp(bias)));
    expect(Math.min(...steps)).toBeGreaterThan(0.00099);
    expect(Math.max(...steps)).toBeLessThan(0.1001);
  });

  it('mLSTM: forget biases from 3 to 6, constant input gates, a skip of 1', () => {
    const specs = mlstmParameters(mlstmConfig({ dModel: 8 }));
    expect([...valuesOf(specs, 'mlstm_cell.fgate.bias')]).toEqual([3, 4, 5, 6]);
    expect(new Set(valuesOf(specs, 'mlstm_cell.igate.weight'))).toEqual(new Set([0]));
    expect(new Set(valuesOf(specs, 'learnable_skip'))).toEqual(new Set([1]));
  });

  it('RWKV-4: decays from -5 to 3, outputs of zero', () => {
    const specs = rwkv4Parameters(rwkv4Config({ dModel: 64 }));
    const decays = valuesOf(specs, 'time_decay');
    expect([decays[0], decays[63]]).toEqual([-5, 3]);
    expect(new Set(valuesOf(specs, 'output.weight'))).toEqual(new Set([0]));
  });
});

it('configurations say what is wrong', () => {
  expect(() => RetNet.create({ dModel: 6, numHeads: 2 })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: RetNet: dModel is 6 and numHeads 2, expected an even number of channels a head. Its channels are rotated in pairs.]`);
  expect(() => Gla.create({ dModel: 6, numHeads: 4 })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: GLA: expandK x dModel is 3 and the number of heads 4, expected heads that divide it into whole parts of at least 1.]`);
  expect(() => Hgrn2.create({ dModel: 64 })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: HGRN2: numHeads is 0.5, expected a whole number of at least 1.]`);
  expect(() => DeltaNet.create({ dModel: 8, heads: 2 } as never)).toThrowErrorMatchingInlineSnapshot(`[ConfigError: DeltaNet: unknown option "heads", expected one of dModel, numHeads, expandK, expandV, convSize, allowNegEigval, normEps.]`);
  expect(() => Mlstm.create({ dModel: 8, qkvProjBlocksize: 5 })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: mLSTM: qkvProjBlocksize is 5 and the inner width 64, expected qkvProjBlocksize to divide it.]`);
  expect(() => Rwkv7.create({ dModel: 8 })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: Rwkv7: headSize is 64 and dModel 8, expected headSize to divide it.]`);
  expect(() => RwkvChannelMix.create({ dModel: 8, version: 3 as never })).toThrow(ConfigError);
});

it('positions skip masked steps and start anew in a new segment', () => {
  const sequence = { mask: [[true, false, true, true, true]], segments: [[0, 0, 0, 1, 1]] };
  expect(countedPositions('test', 1, 5, sequence, [7])).toEqual({ positions: Int32Array.of(7, 8, 8, 0, 1), next: Int32Array.of(2) });
});
