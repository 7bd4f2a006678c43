import { readFile } from 'node:fs/promises';
import { BOUNDS, expectTensorClose, tensorError } from '@mamba360/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../backend/index.ts';
import { tf } from '../backend/tensorflow.ts';
import { readSafetensors } from '../checkpoints/index.ts';
import { ConfigError, ShapeError, StateError } from '../errors/index.ts';
import { Random } from '../random/index.ts';
import { runMamba3Golden } from './golden-mamba.ts';
import { disposeState, Mamba3, mamba3Config } from './index.ts';
import { mamba3Parameters } from './mamba3-parameters.ts';

beforeAll(async () => { await useBackend('cpu'); });

describe('Mamba3', () => {
  it('equals the official layer: output and every gradient', async () => {
    const base = new URL('./__golden__/mamba3_siso_D6_N8_hd4_G1_rope1_norm1', import.meta.url);
    const { tensors } = readSafetensors(new Uint8Array(await readFile(new URL(`${base}.safetensors`))));
    const { params } = JSON.parse(await readFile(new URL(`${base}.json`), 'utf8')) as { params: Record<string, unknown> };
    const comparisons = runMamba3Golden(tensors, params);
    expect(comparisons).toHaveLength(11);
    for (const { name, actual, expected } of comparisons) {
      expect(actual.length, name).toBe(expected.length);
      expect(tensorError(actual, expected).relative, name).toBeLessThan(name.startsWith('grad_') ? BOUNDS.gradient : BOUNDS.output);
    }
  });

  it('gives the same in steps as whole with every option', () => {
    tf.tidy(() => {
      for (const options of [{}, { isOutprojNorm: true, ropeFraction: 1 }, { isMimo: true, mimoRank: 3, ngroups: 2 }, { isMimo: true, mimoRank: 2, isOutprojNorm: true }]) {
        using layer = Mamba3.create({ dModel: 8, dState: 6, headdim: 4, ...options }, { seed: 4 });
        const x = tf.tensor(Random.fromSeed(2).normal(2 * 7 * 8), [2, 7, 8]);
        const whole = layer.apply(x);
        let state = layer.initialState(2);
        const outputs = tf.unstack(x, 1).map((step) => {
          const result = layer.step(step, state);
          ({ state } = result);
          return result.output;
        });
        expectTensorClose(tf.stack(outputs, 1), whole.output, { kind: 'output' });
        for (const leaf of ['angle', 'ssm', 'B', 'x'] as const) expectTensorClose(state[leaf], whole.state[leaf], { kind: 'state', name: leaf });
      }
    });
  });

  it('starts from the published values', () => {
    const specs = mamba3Parameters(mamba3Config({ dModel: 256, headdim: 1, dState: 8, isMimo: true, mimoRank: 2, isOutprojNorm: true }));
    const random = Random.fromSeed(3);
    const values = (name: string): Float32Array => specs[name].initialise(specs[name].shape, random.split(name));
    const deltas = values('dt_bias').map((bias) => Math.log1p(Math.exp(bias)));
    expect(Math.min(...deltas)).toBeGreaterThan(0.00099);
    expect(Math.max(...deltas)).toBeLessThan(0.1001);
    for (const name of ['B_bias', 'C_bias', 'D', 'mimo_z', 'B_norm.weight', 'norm.weight']) expect(new Set(values(name)), name).toEqual(new Set([1]));
    for (const name of ['mimo_x', 'mimo_o']) expect(new Set(values(name)), name).toEqual(new Set([0.5]));
    expect(specs['in_proj.weight'].shape).toEqual([2 * 512 + 2 * 2 * 8 + 3 * 512 + 2, 256]);
    expect(values('in_proj.weight').reduce((most, value) => Math.max(most, Math.abs(value)), 0)).toBeCloseTo(1 / 16, 4);
  });

  it('reads official keys, and refuses what it does not know', () => {
    const layer = Mamba3.create({ dModel: 32 }, { seed: 1 });
    expect(layer.config).toMatchObject({ dState: 128, headdim: 64, ropeFraction: 0.5, AFloor: 1e-4 });
    expect(() => Mamba3.create({ dModel: 32, d_state: 3 } as never)).toThrow(ConfigError);
    expect(() => Mamba3.create({ dModel: 24 })).toThrow('headdim is 64, expected a divisor of the inner width 48');
    expect(() => Mamba3.create({ dModel: 32, ngroups: 2 })).toThrow('ngroups is 2, expected a divisor of the 1 heads');
    expect(() => Mamba3.create({ dModel: 32, ropeFraction: 0.3 })).toThrow('ropeFraction is 0.3, expected .5 or 1');
    expect(() => Mamba3.create({ dModel: 32, dState: 2 })).toThrow('at least one pair that turns');
    expect(() => Mamba3.fromOfficial({}, { d_model: 32, is_mimo: true })).toThrow('isMimo is true, expected false');
    expect(() => Mamba3.fromOfficial({ D: { shape: [1], values: new Float32Array(1) } }, { d_model: 32, chunk_size: 64 })).toThrow('Missing: dt_bias');
    layer.dispose();
    layer.dispose();
  });

  it('refuses inputs and states that are not its own, and leaks nothing', () => {
    const before = tf.memory().numTensors;
    const layer = Mamba3.create({ dModel: 4, dState: 4, headdim: 4 }, { seed: 1 });
    const other = Mamba3.create({ dModel: 4, dState: 6, headdim: 4 }, { seed: 1 });
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
