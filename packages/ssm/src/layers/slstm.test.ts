import { readFile } from 'node:fs/promises';
import { BOUNDS, tensorError } from '@mamba360/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../backend/index.ts';
import { tf } from '../backend/tensorflow.ts';
import { float32Values, readSafetensors } from '../checkpoints/index.ts';
import { ConfigError, ShapeError } from '../errors/index.ts';
import { Ltc, namedParameters, Rnn, Slstm } from './index.ts';

beforeAll(async () => { await useBackend('cpu'); });

describe('sLSTM', () => {
  it('equals the official layer, gradients included', async () => {
    const base = new URL('./__golden__/slstm_layer_D8_NH2_conv4', import.meta.url);
    const { tensors } = readSafetensors(new Uint8Array(await readFile(new URL(`${base}.safetensors`))));
    const { params, inputs } = JSON.parse(await readFile(new URL(`${base}.json`), 'utf8')) as { params: Record<string, unknown>; inputs: Record<string, number[]> };
    using layer = Slstm.fromOfficial(new Map(Object.keys(inputs).filter((name) => name !== 'x' && name !== 'dy').map((name) => [name, tensors.get(name)!])), params);
    tf.tidy(() => {
      const tensor = (name: string) => tf.tensor(float32Values(tensors.get(name)!), [...tensors.get(name)!.shape], 'float32');
      const [x, dy] = [tensor('x'), tensor('dy')];
      expect(tensorError(layer.apply(x).output.dataSync(), float32Values(tensors.get('y')!)).relative).toBeLessThan(BOUNDS.output);
      const variables = namedParameters(layer.parameters);
      const { grads } = tf.engine().gradients(() => tf.sum(tf.mul(layer.apply(x).output, dy)), [x, ...variables.map(([, variable]) => variable)]);
      ['x', ...variables.map(([name]) => name)].forEach((name, i) => {
        expect(tensorError(grads[i]!.dataSync(), float32Values(tensors.get(`grad_${name}`)!)).relative, name).toBeLessThan(BOUNDS.gradient);
      });
    });
  });

  it('starts as published: R = 0, forget biases from 5 down to -7 over each head, the other gates at 0', () => {
    using layer = Slstm.create({ dModel: 8, numHeads: 2 });
    const bias = [...layer.parameters['slstm_cell._bias_']!.dataSync()];
    bias.slice(8, 16).forEach((value, i) => expect(value).toBeCloseTo(5 - 12 * ((i % 4) / 3) ** 0.3, 5));
    expect([...bias.slice(0, 8), ...bias.slice(16)].every((value) => value === 0)).toBe(true);
    expect(layer.parameters['slstm_cell._recurrent_kernel_']!.dataSync().every((value) => value === 0)).toBe(true);
  });

  it('works without a convolution and says what is wrong', () => {
    using layer = Slstm.create({ dModel: 4, numHeads: 2, conv1dKernelSize: 0 });
    expect(Object.keys(layer.stateSpec(1))).toEqual(['hidden', 'cell', 'normaliser', 'maximum']);
    tf.tidy(() => { expect(layer.apply(tf.ones([1, 3, 4])).output.shape).toEqual([1, 3, 4]); });
    expect(() => Slstm.create({ dModel: 6 })).toThrow(ConfigError);
    expect(() => Slstm.create({ dModel: 8, heads: 2 } as never)).toThrow(ConfigError);
    expect(() => layer.apply(tf.zeros([1, 3, 5]))).toThrow(ShapeError);
  });
});

describe('RNN and LTC', () => {
  it('the RNN equals tf.layers.simpleRNN with the same weights', () => {
    tf.tidy(() => {
      const x = tf.randomNormal([2, 5, 3], 0, 1, 'float32', 7);
      const theirs = tf.layers.simpleRNN({ units: 4, returnSequences: true });
      const expected = theirs.apply(x) as typeof x;
      const [kernel, recurrent, bias] = theirs.getWeights();
      using ours = Rnn.create({ dModel: 3, units: 4, projection: false });
      ours.parameters['input.weight']!.assign(tf.transpose(kernel!));
      ours.parameters['input.bias']!.assign(bias!);
      ours.parameters['recurrent.weight']!.assign(tf.reshape(recurrent!, [1, 4, 4]));
      expect(tensorError(ours.apply(x).output.dataSync(), expected.dataSync()).relative).toBeLessThan(BOUNDS.output);
    });
  });

  it('the LTC settles where its equation says, whatever the step, and starts as published', () => {
    using layer = Ltc.create({ dModel: 2, units: 200, projection: false, unfolds: 50 }, { seed: 3 });
    tf.tidy(() => {
      layer.parameters['recurrent.weight']!.assign(tf.zeros([1, 200, 200]));
      const x = tf.ones([1, 400, 2]);
      const rest = [...tf.slice(layer.apply(x).output, [0, 399, 0], [1, 1, 200]).dataSync()];
      const open = [...tf.sigmoid(tf.sum(layer.parameters['input.weight']!, 1)).dataSync()];
      const rate = [...tf.softplus(layer.parameters['rate']!).dataSync()];
      const asymptote = [...layer.parameters['asymptote']!.dataSync()];
      rest.forEach((value, i) => expect(value).toBeCloseTo(open[i]! * asymptote[i]! / (rate[i]! + open[i]!), 4));
      expect(asymptote.every((value) => Math.abs(value) === 1)).toBe(true);
      expect(rate.every((value) => value > 0 && value < 2.51)).toBe(true);
      expect(Math.abs(rate.reduce((a, b) => a + b, 0) / 200 - 1.0)).toBeLessThan(0.15);
    });
    expect(() => Ltc.create({ dModel: 2, unfolds: 0 })).toThrow(ConfigError);
  });
});
