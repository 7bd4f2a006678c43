import { BOUNDS, GoldenCase, tensorError } from '@mamba360/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../../backend/index.ts';
import { tf } from '../../backend/tensorflow.ts';
import { ConfigError, ShapeError, StateError } from '../../errors/index.ts';
import { disposeState, namedParameters } from '../../layers/index.ts';
import { Rwkv } from './index.ts';

beforeAll(async () => { await useBackend('cpu'); });

describe.each(['rwkv4_L3_D6', 'rwkv5_L2_D8', 'rwkv6_L2_D8', 'rwkv7_L2_D8_S4'])('%s', (name) => {
  it('gives the logits of the official model, whole and token by token', async () => {
    const golden = await GoldenCase.read(new URL(`./__golden__/${name}.json`, import.meta.url).pathname);
    const weights = Object.keys(golden.description.inputs).filter((input) => input !== 'tokens');
    using model = Rwkv.fromOfficial(Object.fromEntries(weights.map((weight) => {
      const { shape, values } = golden.value(weight);
      return [weight, { shape: [...shape], values }];
    })));
    expect(namedParameters(model.parameters).map(([weight]) => weight).sort()).toEqual([...weights].sort());
    const { values: logits } = golden.value('logits');
    const tokens = Array.from(golden.value('tokens').values);
    tf.tidy(() => {
      expect(tensorError(model.apply(tf.tensor2d([tokens], undefined, 'int32')).output.dataSync(), logits).relative).toBeLessThan(BOUNDS.output);
      let state = model.initialState(1);
      const steps = tokens.map((token) => {
        const result = model.step(tf.tensor1d([token], 'int32'), state);
        state = result.state;
        return result.output;
      });
      expect(tensorError(tf.stack(steps, 1).dataSync(), logits).relative).toBeLessThan(BOUNDS.output);
    });
  });
});

it('leaks nothing, refuses what is not its own', () => {
  const before = tf.memory().numTensors;
  const model = Rwkv.create({ preset: 'tiny', version: 6 }, { seed: 1 });
  const tokens = tf.ones([2, 5], 'int32');
  const { output, state } = model.apply(tokens);
  expect(output.shape).toEqual([2, 5, 16]);
  expect(() => model.apply(tf.tidy(() => tf.ones([2, 5, 8])))).toThrow(ShapeError);
  expect(() => model.apply(tokens, { state: { blocks: {} } })).toThrow(StateError);
  expect(() => Rwkv.create({ preset: 'small' as never })).toThrow(ConfigError);
  expect(() => Rwkv.create({ preset: 'tiny', dimension: 3 } as never)).toThrow('unknown option "dimension"');
  expect(() => Rwkv.fromOfficial({ 'emb.weight': { shape: [4, 4], values: new Float32Array(16) } })).toThrow(ConfigError);
  disposeState(state as never);
  tf.dispose([output, tokens]);
  model.dispose();
  model.dispose();
  expect(tf.memory().numTensors - before).toBeLessThanOrEqual(1); // the refused input
});
