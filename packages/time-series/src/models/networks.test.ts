import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '@mamba360/ssm/backend';
import { namedParameters } from '@mamba360/ssm/layers';
import { Random } from '@mamba360/ssm/random';
import { fitRidge } from '../baselines/ridge.ts';
import type { NetworkSizes } from './forecast-network.ts';
import { tokenCount } from './patch-network/config.ts';
import { createNetwork, MODELS } from './registry.ts';

const sizes: NetworkSizes = { inputSize: 24, horizon: 5, pastFeatures: 0, futureFeatures: 0, staticSlots: 0, outputs: 3 };
const random = (): Random => Random.fromSeed(4);
const windowOf = (batch: number, columns: number, seed = 1): tf.Tensor3D => tf.tensor3d(Random.fromSeed(seed).normal(batch * 24 * columns), [batch, 24, columns]);

beforeAll(async () => { await useBackend('cpu'); });

describe.each(MODELS.map(({ name }) => name))('%s', name => {
  it('gives [B, H, C, outputs] and treats every column alike', () => {
    const network = createNetwork(name, 'tiny', sizes, random());
    // Weights that start at zero would make any two outputs equal.
    const noise = Random.fromSeed(9);
    for (const [, variable] of namedParameters(network.parameters)) variable.assign(tf.add(variable, tf.tensor(noise.normal(variable.size, { deviation: 0.1 }), variable.shape)));
    const window = windowOf(3, 2);
    const both = network.forward({ window });
    expect(both.shape).toEqual([3, 5, 2, 3]);
    const second = network.forward({ window: tf.slice(window, [0, 0, 1], [3, 24, 1]) });
    const difference = tf.max(tf.abs(tf.sub(tf.slice(both, [0, 0, 1, 0], [3, 5, 1, 3]), second))).dataSync()[0];
    expect(difference).toBeLessThan(1e-5);
    network.dispose();
  });

  it('every parameter gets a gradient once the head is not zero', () => {
    const network = createNetwork(name, 'tiny', { ...sizes, pastFeatures: 2, futureFeatures: 1, staticSlots: 2 }, random());
    const noise = Random.fromSeed(9);
    const named = namedParameters(network.parameters);
    for (const [, variable] of named) variable.assign(tf.add(variable, tf.tensor(noise.normal(variable.size, { deviation: 0.05 }), variable.shape)));
    const input = { window: windowOf(2, 2), past: tf.tensor3d(noise.normal(2 * 24 * 2), [2, 24, 2]), future: tf.tensor3d(noise.normal(2 * 5), [2, 5, 1]), statics: tf.tensor2d([1, 0, 0, 1], [2, 2]) };
    const { grads } = tf.variableGrads(() => tf.sum(tf.square(network.forward(input))) as tf.Scalar, named.map(([, variable]) => variable));
    for (const [key, variable] of named) expect(tf.max(tf.abs(grads[variable.name])).dataSync()[0], key).toBeGreaterThan(0);
    network.dispose();
  });
});

describe('patch network', () => {
  it('starts at the ridge regression it is given', () => {
    const series = Float64Array.from({ length: 200 }, (_, row) => Math.sin(row / 3) + 0.1 * ((row * 31) % 7));
    const ridge = fitRidge([series], { inputSize: 24, horizon: 5 });
    const network = createNetwork('mamba', 'tiny', sizes, random());
    network.startFrom!(ridge.weights, Float64Array.from({ length: 15 }, (_, index) => (index % 3) - 1));
    const window = series.slice(50, 74);
    const mean = window.reduce((a, b) => a + b, 0) / 24;
    const made = network.forward({ window: tf.tensor3d(Float32Array.from(window, value => value - mean), [1, 24, 1]) }).dataSync();
    ridge.forecast(window).forEach((value, step) => {
      for (let output = 0; output < 3; output++) expect(made[step * 3 + output]).toBeCloseTo(value - mean + output - 1, 4);
    });
    network.dispose();
  });

  it('covers windows of any length with patches', () => {
    for (const inputSize of [1, 2, 7, 8, 9, 23, 64]) {
      const network = createNetwork('mamba', 'tiny', { ...sizes, inputSize }, random());
      const made = network.forward({ window: tf.ones([1, inputSize, 1]) });
      expect(made.shape).toEqual([1, 5, 1, 3]);
      network.dispose();
    }
    const config = { mixer: 'mamba', dModel: 4, layers: 1, patchLength: 8, patchStride: 4, dState: 4, mlpHidden: 0, linearSkip: true, dropout: 0 } as const;
    expect([8, 9, 12, 24].map(length => tokenCount(config, length))).toEqual([1, 2, 2, 5]);
  });

  it('the order of patches matters with Mamba and not to the tokens of the control', () => {
    // With a head that looks at the last token only, the control cannot know the first patch.
    const seesFirst = (mixer: 'mamba' | 'identity'): boolean => {
      const network = createNetwork(mixer, 'tiny', sizes, random(), { linearSkip: false });
      const head = namedParameters(network.parameters).find(([name]) => name === 'head.weight')![1];
      const values = new Float32Array(head.size).map((_, index) => (index % head.shape[1]! >= head.shape[1]! - 16 ? 0.3 : 0));
      head.assign(tf.tensor(values, head.shape));
      const window = windowOf(1, 1);
      const changed = tf.add(window, tf.tensor3d(Float32Array.from({ length: 24 }, (_, row) => (row < 4 ? 5 : 0)), [1, 24, 1]));
      const difference = tf.max(tf.abs(tf.sub(network.forward({ window }), network.forward({ window: changed })))).dataSync()[0];
      network.dispose();
      return difference > 1e-6;
    };
    expect(seesFirst('mamba')).toBe(true);
    expect(seesFirst('identity')).toBe(false);
  });

  it('says which names there are', () => {
    expect(() => createNetwork('transformer' as 'mamba', 'tiny', sizes, random())).toThrowErrorMatchingInlineSnapshot(`[ConfigError: model: got "transformer", expected one of mamba, lstm, dlinear, identity.]`);
    expect(() => createNetwork('mamba', 'huge' as 'tiny', sizes, random())).toThrowErrorMatchingInlineSnapshot(`[ConfigError: preset: got "huge", expected one of tiny, small, base.]`);
    expect(() => createNetwork('mamba', 'tiny', sizes, random(), { dropout: 1 })).toThrow(/dropout is 1/);
  });
});
