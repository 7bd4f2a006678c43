import type { Tensor, Variable } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../backend/index.ts';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import { Attention, Experts, FeedForward, GatedMlp, Mamba } from '../layers/index.ts';
import type { ResidualStack } from '../layers/index.ts';
import { Random } from '../random/index.ts';
import { Backbone, createBlackMamba, createJamba, createMambaByte, createMambaFormer, createMoeMamba, createTransformerDecoder, createTransformerEncoder, MAMBABYTE_SIZES } from './index.ts';

beforeAll(async () => { await useBackend('cpu'); });

const options = { random: Random.fromSeed(1) };
const names = (stack: ResidualStack): string => stack.parts.map(({ body }) => (body instanceof Mamba ? 'm' : body instanceof Attention ? 'a' : body instanceof Experts ? 'e' : body instanceof GatedMlp ? 'g' : body instanceof FeedForward ? 'f' : '?')).join('');

describe('hybrids', () => {
  it('are stacked as published', () => {
    const mamba = { dState: 4 };
    const stacks: [ResidualStack, string][] = [
      [createMoeMamba({ dModel: 4, numPairs: 2, mamba, hidden: 4 }, options), 'meme'], [createBlackMamba({ dModel: 4, numLayers: 3, mamba, hidden: 4 }, options), 'mem'],
      [createMambaFormer({ dModel: 4, numPairs: 2, mamba, attention: { numHeads: 2 } }, options), 'mamam'],
      [createJamba({ dModel: 4, mamba, attention: { numHeads: 2 }, hidden: 4 }, options), 'mgmemgmeagmemgme'],
      [createTransformerDecoder({ dModel: 4, numLayers: 2, attention: { numHeads: 2 } }, options), 'afaf'],
    ];
    for (const [stack, expected] of stacks) {
      expect(names(stack), stack.kind).toBe(expected);
      stack.dispose();
    }
    using encoder = createTransformerEncoder({ dModel: 4, attention: { numHeads: 2 } }, options);
    expect(encoder.capabilities).toMatchObject({ state: 'none', causal: false });
  });

  it('one of eight Jamba layers is attention, two of sixteen experts; MambaFormer and Jamba have no positions', () => {
    using jamba = createJamba({ dModel: 4, mamba: { dState: 4 }, attention: { numHeads: 2 }, hidden: 4 }, options);
    const experts = jamba.parts.flatMap(({ body }) => (body instanceof Experts ? [body.config] : []));
    expect(experts).toHaveLength(4);
    expect(experts[0]).toMatchObject({ numExperts: 16, topK: 2, normalise: true });
    expect(jamba.parts.flatMap(({ body }) => (body instanceof Attention ? [body.config.rotary] : []))).toEqual([false]);
  });

  it('hand the losses of their experts out, with gradients to the router', () => {
    using stack = createMoeMamba({ dModel: 4, mamba: { dState: 4 }, experts: { numExperts: 3 }, hidden: 4 }, options);
    tf.tidy(() => {
      const x = tf.tensor(Random.fromSeed(2).normal(2 * 5 * 4), [2, 5, 4]);
      const router = (stack.parameters['1'] as { body: { 'router.weight': Variable } }).body['router.weight'];
      const seen: string[] = [];
      const { grads } = tf.engine().gradients(() => {
        let balance: Tensor = tf.scalar(0);
        stack.apply(x, { lengths: [5, 3], observe: (name, tensor) => {
          seen.push(name);
          if (name === '1.balance_loss') balance = tf.keep(tensor);
        } });
        return tf.sum(balance);
      }, [router]);
      expect(seen).toEqual(['0', '1.balance_loss', '1.router_loss', '1']);
      expect(grads[0]!.dataSync().some((value) => value !== 0)).toBe(true);
    });
  });

  it('MambaByte is a backbone over 256 bytes of the published sizes', () => {
    using model = createMambaByte('tiny', {}, { seed: 1 });
    tf.tidy(() => { expect(model.apply(tf.tensor([[...new TextEncoder().encode('état')]], undefined, 'int32')).output.shape).toEqual([1, 5, 256]); });
    expect(MAMBABYTE_SIZES['353m']).toEqual({ dModel: 1024, nLayer: 53 });
    expect(() => createMambaByte('7b' as never)).toThrow(ConfigError);
  });

  it('a backbone interleaves mixers by name', () => {
    using model = Backbone.create({ dModel: 4, nLayer: 5, layerMixers: ['mamba', 'mamba', 'attention'], ssmCfg: { dState: 4 }, mixerCfg: { attention: { numHeads: 2, maximumLength: 9 } }, inputSize: 3, outputSize: 1 }, { seed: 1 });
    expect(model.blocks.map(({ mixer }) => mixer.kind)).toEqual(['mamba', 'mamba', 'attention', 'mamba', 'mamba']);
    expect(model.capabilities).toEqual({ state: 'growing', causal: true, maximumLength: 9, runtime: false });
    expect(() => Backbone.create({ dModel: 4, nLayer: 1, layerMixers: ['mambo'] })).toThrow(ConfigError);
    expect(() => Backbone.create({ dModel: 4, nLayer: 1, layerMixers: [] })).toThrow(ConfigError);
    expect(() => createJamba({ dModel: 4, layers: 3 } as never, options)).toThrow(ConfigError);
  });
});
