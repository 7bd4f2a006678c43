import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../backend/index.ts';
import { tf } from '../backend/tensorflow.ts';
import { FileError, StateError } from '../errors/index.ts';
import { namedParameters, setValues, cloneState, concatStates, detachState, disposeState, gatherState, loadState, Lstm, Mamba, saveState, sliceState, stateLeaves } from './index.ts';
import type { MambaState, State } from './index.ts';

beforeAll(async () => { await useBackend('cpu'); });

const values = (state: State): number[][] => stateLeaves(state).map(([, tensor]) => [...tensor.dataSync()]);
const layerOf = (seed = 1, dState = 2): Mamba => Mamba.create({ dModel: 4, dState }, { seed });
const stateOf = (layer: Mamba, batch = 3): MambaState => layer.apply(tf.randomNormal([batch, 5, 4], 0, 1, 'float32', 7)).state;

describe('states as values', () => {
  it('clones, slices, gathers and joins along the batch', () => {
    using layer = layerOf();
    const state = stateOf(layer);
    const copy = cloneState(state);
    expect(values(concatStates([sliceState(state, 0, 1), sliceState(state, 1, 2)]))).toEqual(values(state));
    expect(values(gatherState(state, [2, 0, 2]))).toEqual(values(concatStates([2, 0, 2].map((row) => sliceState(state, row, 1)))));
    disposeState(state);
    expect(values(copy)[0]).toHaveLength(3 * 3 * 8);
    expect(() => sliceState(copy, 2, 2)).toThrow(StateError);
    using lstm = Lstm.create({ dModel: 4 });
    expect(() => concatStates([copy, lstm.initialState(1) as unknown as MambaState])).toThrow('differs from state 0 at convolution (absent)');
  });

  it('detach cuts the gradient and keeps the value', () => {
    const slope = tf.grad((x) => tf.sum(tf.mul((detachState({ a: tf.mul(x, 2) }) as { a: typeof x }).a, x)))(tf.tensor([3]));
    expect([...slope.dataSync()]).toEqual([6]);
  });

  it('survives tf.tidy when returned, and is freed when not', () => {
    using layer = layerOf();
    const before = tf.memory().numTensors;
    const kept = tf.tidy(() => stateOf(layer));
    expect(tf.memory().numTensors).toBe(before + 2);
    disposeState(kept);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('state files', () => {
  it('come back bit for bit', async () => {
    using layer = layerOf();
    const state = stateOf(layer);
    const file = await saveState(state, layer);
    expect(values(await loadState(file, layer))).toEqual(values(state));
    expect(file.byteLength).toBeLessThan(4 * (3 * 3 * 8 + 3 * 8 * 2) + 1000);
  });

  it('are refused by another configuration, other weights, another version, and when damaged', async () => {
    using layer = layerOf();
    const file = await saveState(stateOf(layer), layer);
    const before = tf.memory().numTensors;
    using other = layerOf(1, 3);
    await expect(loadState(file, other)).rejects.toThrow(StateError);
    using foreign = layerOf(2);
    await expect(loadState(file, foreign)).rejects.toThrow('another model, configuration or set of weights');
    const [, weight] = namedParameters(layer.parameters)[0];
    const original = Float32Array.from(weight.dataSync());
    setValues(weight, original.map((value) => value + 1e-3));
    await expect(loadState(file, layer)).rejects.toThrow(StateError);
    setValues(weight, original);
    const damaged = file.slice();
    damaged[file.length - 5] ^= 1;
    await expect(loadState(damaged, layer)).rejects.toThrow(FileError);
    expect(tf.memory().numTensors - before).toBe(2 * 9);
  });
});
