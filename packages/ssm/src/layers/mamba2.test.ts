import { readFile } from 'node:fs/promises';
import { BOUNDS, expectTensorClose, tensorError } from '@mamba360/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../backend/index.ts';
import { tf } from '../backend/tensorflow.ts';
import { readSafetensors } from '../checkpoints/index.ts';
import { ConfigError, ShapeError, StateError } from '../errors/index.ts';
import { Random } from '../random/index.ts';
import { runMamba2Golden } from './golden-mamba.ts';
import { disposeState, Mamba2, mamba2Config } from './index.ts';
import { mamba2Parameters } from './mamba2-parameters.ts';

beforeAll(async () => { await useBackend('cpu'); });

describe('Mamba2', () => {
  it.each(['mamba2_D8_N4_hd4_G1_L9_bias_d_conv', 'mamba2_D8_N4_hd4_G1_L8_d_ssm'])('equals the official layer: %s', async (name) => {
    const base = new URL(`./__golden__/${name}`, import.meta.url);
    const { tensors } = readSafetensors(new Uint8Array(await readFile(new URL(`${base}.safetensors`))));
    const { params } = JSON.parse(await readFile(new URL(`${base}.json`), 'utf8')) as { params: Record<string, unknown> };
    const comparisons = runMamba2Golden(tensors, params);
    expect(comparisons.length).toBeGreaterThan(11);
    for (const { name: quantity, actual, expected } of comparisons) {
      expect(actual.length, quantity).toBe(expected.length);
      expect(tensorError(actual, expected).relative, quantity).toBeLessThan(quantity.startsWith('grad_') ? BOUNDS.gradient : BOUNDS.output);
    }
  });

  it('gives the same in steps as whole with every option', () => {
    tf.tidy(() => {
      for (const options of [{ DHasHdim: true, rmsnorm: false }, { normBeforeGate: true, ngroups: 2 }, { dSsm: 8, bias: true }, { dtLimit: [0.02, 0.05] as const }]) {
        using layer = Mamba2.create({ dModel: 8, dState: 4, headdim: 4, ...options }, { seed: 4 });
        const x = tf.tensor(Random.fromSeed(2).normal(2 * 7 * 8), [2, 7, 8]);
        const whole = layer.apply(x);
        let state = layer.initialState(2);
        const outputs = tf.unstack(x, 1).map((step) => {
          const result = layer.step(step, state);
          ({ state } = result);
          return result.output;
        });
        expectTensorClose(tf.stack(outputs, 1), whole.output, { kind: 'output' });
        expectTensorClose(state.ssm, whole.state.ssm, { kind: 'state' });
        expectTensorClose(state.convolution, whole.state.convolution, { kind: 'state' });
      }
    });
  });

  it('starts from the published distributions', () => {
    const specs = mamba2Parameters(mamba2Config({ dModel: 1024, headdim: 1, dState: 8, convInit: 0.1 }));
    const random = Random.fromSeed(3);
    const values = (name: string): Float32Array => specs[name].initialise(specs[name].shape, random.split(name));
    const mean = (list: Float32Array): number => list.reduce((sum, value) => sum + value, 0) / list.length;
    const deltas = values('dt_bias').map((bias) => Math.log1p(Math.exp(bias)));
    expect(Math.min(...deltas)).toBeGreaterThan(0.00099);
    expect(Math.max(...deltas)).toBeLessThan(0.1001);
    expect(mean(deltas.map(Math.log))).toBeCloseTo((Math.log(0.001) + Math.log(0.1)) / 2, 0.7);
    const rates = values('A_log').map(Math.exp);
    expect(Math.min(...rates)).toBeGreaterThan(0.999);
    expect(Math.max(...rates)).toBeLessThan(16.001);
    expect(mean(rates)).toBeCloseTo(8.5, 0);
    expect(new Set(values('D'))).toEqual(new Set([1]));
    expect(new Set(values('norm.weight'))).toEqual(new Set([1]));
    expect(Math.max(...values('conv1d.weight').map(Math.abs))).toBeCloseTo(0.1, 2);
    expect(values('in_proj.weight').reduce((most, value) => Math.max(most, Math.abs(value)), 0)).toBeCloseTo(1 / 32, 4);
    expect(specs['in_proj.weight'].shape).toEqual([2 * 2048 + 2 * 8 + 2048, 1024]);
  });

  it('reads official keys, and refuses what it does not know', () => {
    const layer = Mamba2.create({ dModel: 32 }, { seed: 1 });
    expect(layer.config).toMatchObject({ dState: 128, dConv: 4, expand: 2, headdim: 64, ngroups: 1 });
    expect(() => Mamba2.create({ dModel: 32, d_state: 3 } as never)).toThrow(ConfigError);
    expect(() => Mamba2.create({ dModel: 0 })).toThrow('dModel is 0, expected a whole number of at least 1');
    expect(() => Mamba2.create({ dModel: 24 })).toThrow('headdim is 64, expected a divisor of the 48 channels of the scan. Set headdim, for example 48.');
    expect(() => Mamba2.create({ dModel: 32, ngroups: 2 })).toThrow('ngroups is 2, expected a divisor of the 1 heads');
    expect(() => Mamba2.create({ dModel: 32, dSsm: 128 })).toThrow('dSsm is 128, expected at most the inner width 64');
    expect(() => Mamba2.create({ dModel: 32, AInitRange: [2, 1] })).toThrow(ConfigError);
    expect(() => Mamba2.create({ dModel: 32, dtLimit: [2, 1] })).toThrow(ConfigError);
    expect(() => Mamba2.fromOfficial({ D: { shape: [1], values: new Float32Array(1) } }, { d_model: 32, chunk_size: 256 })).toThrow('Missing: dt_bias');
    layer.dispose();
    layer.dispose();
  });

  it('refuses inputs and states that are not its own, and leaks nothing', () => {
    const before = tf.memory().numTensors;
    const layer = Mamba2.create({ dModel: 4, dState: 2, headdim: 4 }, { seed: 1 });
    const other = Mamba2.create({ dModel: 4, dState: 3, headdim: 4 }, { seed: 1 });
    const x = tf.ones([2, 3, 4]), foreign = other.initialState(2), wide = tf.zeros([2, 3, 5]);
    expect(() => layer.apply(wide)).toThrow(ShapeError);
    expect(() => layer.step(x, foreign)).toThrow(ShapeError);
    expect(() => layer.apply(x, { state: foreign })).toThrow(StateError);
    const { output, state } = layer.apply(x);
    const one = tf.ones([2, 4]);
    const step = layer.step(one, state);
    expect(x.isDisposed || state.ssm.isDisposed).toBe(false);
    for (const owned of [state, step.state, foreign]) disposeState(owned);
    tf.dispose([output, step.output, x, one, wide]);
    layer.dispose();
    other.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
