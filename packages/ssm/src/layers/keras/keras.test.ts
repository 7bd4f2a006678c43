import type { io, LayersModel, layers as TfLayers, SymbolicTensor, Tensor } from '@tensorflow/tfjs';
import { backendMatrix } from '@mamba360/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../../backend/index.ts';
import { tf } from '../../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { Random } from '../../random/index.ts';
import { deltaNet, dss, gatedDeltaNet, gla, gru, hgrn2, lstm, ltc, mamba, mamba2, mamba3, mlstm, register, retnet, rnn, rwkv4, rwkv5, rwkv6, rwkv7, s4, s4d, slstm } from './index.ts';
import type { SequenceTwinArgs } from './index.ts';

const backends = await backendMatrix(useBackend);
/** Name, layer, number of states, and epochs of the training test where the published first weights are small. */
const families: [string, (args: SequenceTwinArgs) => TfLayers.Layer, number, number?][] = [
  ['mamba', mamba, 2], ['mamba2', (args) => mamba2({ ...args, headdim: 2, dState: 8 }), 2], ['mamba3', (args) => mamba3({ ...args, headdim: 2, dState: 8 }), 4], ['lstm', lstm, 2], ['gru', gru, 1], ['rnn', rnn, 1], ['ltc', (args) => ltc({ ...args, timeStep: 0.1, unfolds: 2 }), 1, 300],
  ['s4', (args) => s4({ ...args, dState: 8, lMax: 16 }), 2], ['s4d', (args) => s4d({ ...args, dState: 8 }), 2], ['dss', (args) => dss({ ...args, dState: 8, lMax: 16 }), 2],
  ['slstm', (args) => slstm({ ...args, numHeads: 1 }), 5],
  ['retnet', (args) => retnet({ ...args, numHeads: 2 }), 2, 200], ['gla', (args) => gla({ ...args, numHeads: 2, gateLowRankDim: 4 }), 1], ['hgrn2', (args) => hgrn2({ ...args, numHeads: 2, expandRatio: 4 }), 1, 200],
  ['deltaNet', (args) => deltaNet({ ...args, numHeads: 2 }), 2], ['gatedDeltaNet', (args) => gatedDeltaNet({ ...args, numHeads: 2, headDim: 4 }), 2],
  ['mlstm', (args) => mlstm({ ...args, numHeads: 2, roundProjUpToMultipleOf: 8 }), 4], ['rwkv4', (args) => rwkv4({ ...args, outputScale: 1 }), 4],
  ['rwkv5', (args) => rwkv5({ ...args, headSize: 4, outputScale: 1 }), 2], ['rwkv6', (args) => rwkv6({ ...args, headSize: 4, maaRank: 2, decayRank: 2, outputScale: 1 }), 2],
  ['rwkv7', (args) => rwkv7({ ...args, headSize: 4, decayRank: 2, rateRank: 2, valueRank: 2, gateRank: 4, outputScale: 1 }), 2]];
const noise = (shape: number[], seed = 1): Tensor => tf.tensor(Random.fromSeed(seed).normal(shape.reduce((a, b) => a * b, 1)), shape);
const numbers = (tensor: unknown): number[] => [...(tensor as Tensor).dataSync()];

function expectClose(actual: unknown, expected: unknown): void {
  const [a, b] = [numbers(actual), numbers(expected)];
  expect(a).toHaveLength(b.length);
  expect(Math.max(...a.map((value, index) => Math.abs(value - b[index])))).toBeLessThan(1e-5);
}

async function reload(model: LayersModel): Promise<LayersModel> {
  let saved: io.ModelArtifacts | undefined;
  await model.save(tf.io.withSaveHandler(async (artifacts) => {
    saved = artifacts;
    return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
  }));
  const topology = JSON.parse(JSON.stringify(saved!.modelTopology)) as object;
  return tf.loadLayersModel(tf.io.fromMemory({ ...saved!, modelTopology: topology }));
}

/** Says at the end whether the marked value, the first, was positive. */
function recallTask(count: number, length: number): { x: Tensor; y: Tensor } {
  const values = Random.fromSeed(3).normal(count * length * 2).map((value, index) => (index % 2 === 0 ? value : index % (2 * length) === 1 ? 1 : 0));
  return { x: tf.tensor(values, [count, length, 2]), y: tf.tensor(Float32Array.from({ length: count }, (_, row) => (values[row * length * 2] > 0 ? 1 : 0)), [count, 1]) };
}

describe.each(backends)('ssm.layers on %s', (backend) => {
  beforeAll(async () => {
    await useBackend(backend);
    register();
    register();
  });

  it.each(families)('%s trains in tf.sequential where tf.layers.lstm stood, saves, loads, predicts the same', async (_, layer, _leaves, epochs = 50) => {
    const { x, y } = recallTask(32, 6);
    // The layer's name is part of its seed, so that all backends start from the same weights.
    const model = tf.sequential({ layers: [layer({ units: 8, inputShape: [6, 2], seed: 1, name: 'memory' }), tf.layers.dense({ units: 1, activation: 'sigmoid', kernelInitializer: tf.initializers.glorotUniform({ seed: 1 }) })] });
    model.compile({ optimizer: tf.train.adam(0.01), loss: 'binaryCrossentropy' });
    const history = await model.fit(x, y, { epochs, batchSize: 16, shuffle: false, verbose: 0 });
    const losses = history.history.loss as number[];
    expect(losses[losses.length - 1]).toBeLessThan(0.3);
    expect(losses[0]).toBeGreaterThan(0.5);
    const loaded = await reload(model);
    expect(numbers(loaded.predict(x))).toEqual(numbers(model.predict(x)));
    model.dispose();
    loaded.dispose();
  });

  it.each(families)('%s takes a symbolic initialState in the functional API, and survives save and load', async (_, layer, leaves) => {
    const source = tf.input({ shape: [null, 3] });
    const target = tf.input({ shape: [null, 3] });
    const [, ...states] = layer({ units: 4, returnState: true, name: 'encoder' }).apply(source) as SymbolicTensor[];
    expect(states).toHaveLength(leaves);
    const decoded = layer({ units: 4, returnSequences: true, name: 'decoder' }).apply(target, { initialState: states }) as SymbolicTensor;
    const model = tf.model({ inputs: [source, target], outputs: decoded });
    const [a, b] = [noise([2, 5, 3], 1), noise([2, 3, 3], 2)];
    const output = model.predict([a, b]) as Tensor;
    expect(output.shape).toEqual([2, 3, 4]);
    expect(numbers(model.predict([noise([2, 5, 3], 9), b]))).not.toEqual(numbers(output));
    const loaded = await reload(model);
    expect(numbers(loaded.predict([a, b]))).toEqual(numbers(output));
  });

  it.each(families)('%s: padding behind tf.layers.masking changes nothing', (_, layer) => {
    const model = tf.sequential({ layers: [tf.layers.masking({ maskValue: 0, inputShape: [null, 3] as unknown as number[] }), layer({ units: 4 })] });
    const x = noise([2, 4, 3]);
    const padded = tf.concat([tf.zeros([2, 2, 3]), x.slice([0, 0, 0], [2, 2, 3]), tf.zeros([2, 1, 3]), x.slice([0, 2, 0], [2, 2, 3]), tf.zeros([2, 3, 3])], 1);
    expectClose(model.predict(padded), model.predict(x));
  });

  it.each(families)('%s: stateful batches continue each other until resetStates', (_, layer) => {
    const options = { units: 4, seed: 4, name: 'same' };
    const whole = tf.sequential({ layers: [layer({ ...options, batchInputShape: [2, 6, 3] })] });
    const parts = tf.sequential({ layers: [layer({ ...options, batchInputShape: [2, 3, 3], stateful: true })] });
    const x = noise([2, 6, 3]);
    const [first, second] = tf.split(x, 2, 1);
    const expected = whole.predict(x);
    for (let round = 0; round < 2; round++) {
      parts.predict(first);
      expectClose(parts.predict(second), expected);
      parts.resetStates();
    }
    expect(() => whole.layers[0].resetStates()).toThrow(ConfigError);
  });

  it('lstm equals tf.layers.lstm with the same weights', () => {
    const [x, units] = [noise([2, 5, 3]), 4];
    const theirs = tf.layers.lstm({ units, recurrentActivation: 'sigmoid', returnSequences: true });
    const expected = theirs.apply(x);
    const [kernel, recurrent, bias] = theirs.getWeights();
    const ours = lstm({ units, returnSequences: true });
    ours.apply(x);
    ours.setWeights([tf.transpose(kernel), bias, tf.reshape(recurrent, [1, units, 4 * units])]);
    expectClose(ours.apply(x), expected);
  });

  it('gru equals tf.layers.gru (resetAfter is not in tfjs, so with a recurrent matrix of zeros) ', () => {
    const [x, units] = [noise([1, 4, 3]), 2];
    const theirs = tf.layers.gru({ units, recurrentActivation: 'sigmoid', returnSequences: true, recurrentInitializer: 'zeros' });
    const expected = theirs.apply(x);
    const [kernel, , bias] = theirs.getWeights();
    const ours = gru({ units, returnSequences: true });
    ours.apply(x);
    // Keras orders the gates z, r, n; the kernel r, z, n.
    const [z, r, n] = tf.split(tf.transpose(kernel), 3, 0);
    const [bz, br, bn] = tf.split(bias, 3);
    ours.setWeights([tf.concat([r, z, n]), tf.concat([br, bz, bn]), tf.zeros([1, units, 3 * units]), tf.zeros([3 * units])]);
    expectClose(ours.apply(x), expected);
  });

  it('leaks nothing in predict, and frees everything on dispose', () => {
    const x = noise([2, 5, 3]);
    const before = tf.memory().numTensors;
    const model = tf.sequential({ layers: [mamba({ units: 4, batchInputShape: [2, 5, 3], stateful: true, seed: 1 })] });
    tf.dispose(model.predict(x));
    tf.dispose(model.predict(x));
    const during = tf.memory().numTensors;
    for (let round = 0; round < 3; round++) tf.dispose(model.predict(x));
    expect(tf.memory().numTensors).toBe(during);
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('ssm.layers', () => {
  beforeAll(async () => { await useBackend('cpu'); });

  it('returns output and state eagerly, and takes the state back', () => {
    const layer = mamba({ units: 4, returnState: true, returnSequences: true, seed: 2 });
    const x = noise([1, 6, 3]);
    const [whole, convolution, ssm] = layer.apply(x) as Tensor[];
    expect([convolution.shape, ssm.shape]).toEqual([[1, 3, 8], [1, 8, 16]]);
    const [head, tail] = tf.split(x, 2, 1);
    const [, ...states] = layer.apply(head) as Tensor[];
    const [rest, , last] = layer.apply(tail, { initialState: states }) as Tensor[];
    expectClose(rest, whole.slice([0, 3, 0], [1, 3, 4]));
    expectClose(last, ssm);
    expect(() => layer.apply(tail, { initialState: [states[0]] })).toThrow(ShapeError);
  });

  it('is reproducible by seed and name, and differs between layers of one model', () => {
    const weights = (seed: number, name: string): number[] => {
      const layer = mamba({ units: 3, seed, name });
      layer.apply(noise([1, 2, 3]));
      return numbers(layer.getWeights()[0]);
    };
    expect(weights(1, 'a')).toEqual(weights(1, 'a'));
    expect(weights(1, 'a')).not.toEqual(weights(1, 'b'));
    expect(weights(1, 'a')).not.toEqual(weights(2, 'a'));
  });

  it('refuses options it does not have, and says why', () => {
    const layer = lstm({ units: 3, activation: 'relu' } as never);
    expect(() => layer.apply(noise([1, 2, 3]))).toThrow('unknown option "activation"');
    expect(() => mamba({ units: 0 })).toThrow(ConfigError);
    expect(() => tf.sequential({ layers: [mamba({ units: 2, stateful: true, inputShape: [3, 2] })] })).toThrow('Give batchInputShape');
  });
});
