import { readFile } from 'node:fs/promises';
import { BOUNDS, tensorError } from '@mamba360/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../backend/index.ts';
import { tf } from '../backend/tensorflow.ts';
import { readSafetensors } from '../checkpoints/index.ts';
import { ConfigError, ShapeError, StateError } from '../errors/index.ts';
import { runMambaGolden } from './golden-mamba.ts';
import { disposeState, Mamba, mambaConfig } from './index.ts';
import { mambaParameters } from './mamba-parameters.ts';
import { Random } from '../random/index.ts';

beforeAll(async () => { await useBackend('cpu'); });

describe('Mamba', () => {
  it('equals the official layer: output, states and every gradient', async () => {
    const base = new URL('./__golden__/mamba1_D6_N4_w4_e1_dt_init', import.meta.url);
    const { tensors } = readSafetensors(new Uint8Array(await readFile(new URL(`${base}.safetensors`))));
    const { params } = JSON.parse(await readFile(new URL(`${base}.json`), 'utf8')) as { params: Record<string, unknown> };
    const comparisons = runMambaGolden(tensors, params);
    expect(comparisons).toHaveLength(13);
    for (const { name, actual, expected } of comparisons) {
      expect(actual.length, name).toBe(expected.length);
      const error = tensorError(actual, expected).relative;
      expect(error, name).toBeLessThan(name.startsWith('grad_') ? BOUNDS.gradient : BOUNDS.output);
    }
  });

  it('starts from the published distributions', () => {
    const specs = mambaParameters(mambaConfig({ dModel: 256, dState: 8 }));
    const random = Random.fromSeed(3);
    const values = (name: string): Float32Array => specs[name].initialise(specs[name].shape, random.split(name));
    const deltas = values('dt_proj.bias').map((bias) => Math.log1p(Math.exp(bias)));
    expect(Math.min(...deltas)).toBeGreaterThan(0.00099);
    expect(Math.max(...deltas)).toBeLessThan(0.1001);
    const logs = deltas.map(Math.log);
    const mean = logs.reduce((sum, value) => sum + value, 0) / logs.length;
    expect(mean).toBeCloseTo((Math.log(0.001) + Math.log(0.1)) / 2, 0.7);
    const deviation = Math.sqrt(logs.reduce((sum, value) => sum + (value - mean) ** 2, 0) / logs.length);
    expect(deviation).toBeCloseTo(Math.log(100) / Math.sqrt(12), 0.7);
    const weight = values('dt_proj.weight');
    const bound = 1 / Math.sqrt(16);
    expect(Math.max(...weight)).toBeGreaterThan(0.98 * bound);
    expect(Math.max(...weight.map(Math.abs))).toBeLessThanOrEqual(bound);
    expect(Math.sqrt(weight.reduce((sum, value) => sum + value * value, 0) / weight.length)).toBeCloseTo(bound / Math.sqrt(3), 2);
    expect([...values('A_log').slice(8, 16)]).toEqual(Array.from({ length: 8 }, (_, index) => Math.fround(Math.log(index + 1))));
    expect(new Set(values('D'))).toEqual(new Set([1]));
    expect(values('in_proj.weight').reduce((most, value) => Math.max(most, Math.abs(value)), 0)).toBeCloseTo(1 / 16, 4);
    expect(specs['x_proj.weight'].shape).toEqual([16 + 16, 512]);
  });

  it('reads official keys, and refuses what it does not know', () => {
    const layer = Mamba.create({ dModel: 4 }, { seed: 1 });
    expect(layer.config).toMatchObject({ dState: 16, dConv: 4, expand: 2 });
    expect(() => Mamba.create({ dModel: 4, d_state: 3 } as never)).toThrow(ConfigError);
    expect(() => Mamba.create({ dModel: 0 })).toThrow('dModel is 0, expected a whole number of at least 1');
    expect(() => Mamba.create({ dModel: 3, expand: 0.5 })).toThrow(ConfigError);
    expect(() => Mamba.fromOfficial({ D: { shape: [8], values: new Float32Array(8) } }, { d_model: 4 })).toThrow('Missing: in_proj.weight');
    layer.dispose();
    layer.dispose();
  });

  it('refuses inputs and states that are not its own, with the way out', () => {
    using layer = Mamba.create({ dModel: 4, dState: 2 }, { seed: 1 });
    using other = Mamba.create({ dModel: 4, dState: 3 }, { seed: 1 });
    const x = tf.zeros([2, 3, 4]);
    expect(() => layer.apply(tf.zeros([2, 3, 5]))).toThrow(ShapeError);
    expect(() => layer.apply(x, { state: other.initialState(2) })).toThrow(StateError);
    expect(() => layer.apply(x, { state: layer.initialState(1) })).toThrow('state "convolution" is float32 [1,3,8], expected float32 [2,3,8]');
    expect(() => layer.apply(x, { state: { hidden: x } as never })).toThrow('the state has no "convolution"');
    const stale = layer.initialState(2);
    disposeState(stale);
    disposeState(stale);
    expect(() => layer.apply(x, { state: stale })).toThrow('was disposed before');
  });

  it('leaks nothing', () => {
    const before = tf.memory().numTensors;
    const layer = Mamba.create({ dModel: 4, dState: 2 }, { seed: 1 });
    const x = tf.ones([2, 3, 4]);
    const { output, state } = layer.apply(x);
    const step = layer.step(tf.ones([2, 4]), state);
    expect(x.isDisposed || state.ssm.isDisposed).toBe(false);
    disposeState(state);
    disposeState(step.state);
    tf.dispose([output, step.output, x]);
    layer.dispose();
    expect(tf.memory().numTensors - before).toBeLessThanOrEqual(1); // the input of step
  });
});
