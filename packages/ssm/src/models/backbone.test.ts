import { readFile } from 'node:fs/promises';
import { backendMatrix, BOUNDS, tensorError } from '@mamba360/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../backend/index.ts';
import { tf } from '../backend/tensorflow.ts';
import { float32Values, readSafetensors } from '../checkpoints/index.ts';
import { ConfigError, ShapeError } from '../errors/index.ts';
import { namedParameters, storeParameters } from '../layers/index.ts';
import { Backbone, mixers, oursToOfficial } from './index.ts';
import type { GivenBackboneConfig } from './index.ts';
import { runBackboneGolden } from './golden-backbone.ts';
import { Random } from '../random/index.ts';

const backends = await backendMatrix(useBackend);

async function goldenCase(base: URL) {
  const read = async (path: string): Promise<Uint8Array> => new Uint8Array(await readFile(`${base.pathname}${path}`));
  const { tensors } = readSafetensors(await read('.safetensors'));
  const weights = readSafetensors(await read('/model.safetensors')).tensors;
  const config = JSON.parse(new TextDecoder().decode(await read('/config.json'))) as Record<string, unknown>;
  const rows = (name: string): number[][] => {
    const { shape } = tensors.get(name)!;
    const values = [...float32Values(tensors.get(name)!)];
    return Array.from({ length: shape[0] }, (_, row) => values.slice(row * shape[1], (row + 1) * shape[1]));
  };
  return { weights, config, ids: rows('input_ids'), greedy: rows('greedy'), logits: float32Values(tensors.get('logits')!) };
}

describe.each(backends)('Backbone on %s', (backend) => {
  it('equals the official language model: logits, and 20 greedy tokens by cached steps', async () => {
    await useBackend(backend);
    const golden = await goldenCase(new URL('./__golden__/mamba_ssm_mamba1_D12_L3_untied', import.meta.url));
    const before = tf.memory().numTensors;
    const { logits, greedy } = runBackboneGolden(golden.weights, golden.config, golden.ids, golden.greedy[0].length - golden.ids[0].length);
    expect(tensorError(logits, golden.logits).relative).toBeLessThan(BOUNDS.output);
    expect(greedy).toEqual(golden.greedy);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('Backbone', () => {
  beforeAll(async () => { await useBackend('cpu'); });

  it('goes out in official names and comes back equal', async () => {
    using model = Backbone.create({ preset: 'tiny', vocabSize: 13, tieEmbeddings: false }, { seed: 4 });
    const stored = new Map([...await storeParameters(model.parameters)].map(([name, tensor]) => [oursToOfficial(name), tensor]));
    expect([...stored.keys()]).toEqual(expect.arrayContaining(['backbone.embedding.weight', 'backbone.layers.1.mixer.A_log', 'backbone.norm_f.weight', 'lm_head.weight']));
    using back = Backbone.fromOfficial(stored, { d_model: 16, n_layer: 2, vocab_size: 13, tie_embeddings: false, ssm_cfg: {} });
    const ids = tf.tensor([[1, 2, 3]], [1, 3], 'int32');
    expect(back.apply(ids).output.dataSync()).toEqual(model.apply(ids).output.dataSync());
  });

  it('reads a tied checkpoint with or without its copy of the head', async () => {
    using model = Backbone.create({ preset: 'tiny', vocabSize: 16 }, { seed: 4 });
    const stored = new Map([...await storeParameters(model.parameters)].map(([name, tensor]) => [oursToOfficial(name), tensor]));
    const config = { d_model: 16, n_layer: 2, vocab_size: 16, tie_embeddings: true, ssm_cfg: { layer: 'Mamba1' } };
    Backbone.fromOfficial(stored, config).dispose();
    Backbone.fromOfficial(new Map([...stored, ['lm_head.weight', stored.get('backbone.embedding.weight')!]]), config).dispose();
    expect(() => Backbone.fromOfficial(stored, { ...config, ssm_cfg: { layer: 'Mamba2' } })).toThrow('Mamba2: headdim is 64');
    expect(() => Backbone.fromOfficial(stored, { ...config, attn_layer_idx: [1] })).toThrow('attention layers are not built yet');
  });

  it('scales residual projections by depth and starts embeddings at .02', () => {
    using model = Backbone.create({ dModel: 64, nLayer: 4, dIntermediate: 96, vocabSize: 200 }, { seed: 1 });
    const values = new Map(namedParameters(model.parameters).map(([name, variable]) => [name, variable.dataSync<'float32'>()]));
    const largest = (name: string): number => values.get(name)!.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(largest('layers.2.mixer.out_proj.weight')).toBeCloseTo(1 / Math.sqrt(128) / Math.sqrt(8), 3);
    expect(largest('layers.3.mlp.fc2.weight')).toBeCloseTo(1 / Math.sqrt(96) / Math.sqrt(8), 3);
    expect(largest('layers.3.mixer.in_proj.weight')).toBeCloseTo(1 / 8, 3);
    const embedding = values.get('embedding.weight')!;
    expect(Math.sqrt(embedding.reduce((sum, value) => sum + value * value, 0) / embedding.length)).toBeCloseTo(0.02, 3);
    expect(values.get('layers.0.mixer.out_proj.weight')).not.toEqual(values.get('layers.1.mixer.out_proj.weight'));
  });

  it.each(mixers().filter(({ capabilities }) => capabilities.causal).map(({ name, tiny }) => [name, tiny] as const))('is causal with mixer %s: a changed step changes nothing before it', (name, ssmCfg) => {
    using model = Backbone.create({ dModel: 6, nLayer: 2, mixer: name, ssmCfg, inputSize: 2, outputSize: 2 }, { seed: 2 });
    const values = Random.fromSeed(1).normal(20);
    const first = model.apply(tf.tensor(values, [1, 10, 2])).output.dataSync().slice(0, 12);
    const changed = model.apply(tf.tensor(values.map((value, index) => (index < 12 ? value : 9)), [1, 10, 2])).output.dataSync();
    expect(changed.slice(0, 12)).toEqual(first);
    expect(changed.slice(12)).not.toEqual(model.apply(tf.tensor(values, [1, 10, 2])).output.dataSync().slice(12));
  });

  it('drops out only while training, by the given generator', () => {
    using model = Backbone.create({ preset: 'tiny', inputSize: 2, outputSize: 2, dropout: 0.5 }, { seed: 2 });
    const x = tf.ones([1, 5, 2]);
    const run = (options: object): Float32Array => model.apply(x, options).output.dataSync() as Float32Array;
    expect(run({})).toEqual(run({}));
    expect(run({ training: true, random: Random.fromSeed(1) })).toEqual(run({ training: true, random: Random.fromSeed(1) }));
    expect(run({ training: true, random: Random.fromSeed(1) })).not.toEqual(run({ training: true, random: Random.fromSeed(2) }));
    expect(() => run({ training: true })).toThrow(ConfigError);
  });

  it('summarises itself, counts its memory, and is disposed once however often', () => {
    const before = tf.memory().numTensors;
    const model = Backbone.create({ preset: 'tiny', inputSize: 3, outputSize: 1 }, { seed: 1 });
    const count = namedParameters(model.parameters).reduce((sum, [, variable]) => sum + variable.size, 0);
    expect(model.memory()).toEqual({ parameters: count, bytes: 4 * count });
    expect(model.summary()).toContain(`${count} parameters`);
    expect(model.summary()).toContain('layers.1.mixer.out_proj.weight');
    model.dispose();
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each<[string, GivenBackboneConfig, string]>([
    ['an unknown mixer', { preset: 'tiny', mixer: 'lstmm' }, 'expected one of mamba, '], ['an unknown key', { preset: 'tiny', width: 3 }, 'unknown option "width"'],
    ['an unknown preset', { preset: 'huge' as never }, 'expected one of tiny, small, medium'], ['tokens and numbers', { preset: 'tiny', vocabSize: 3, inputSize: 2 }, 'tokens or numbers'],
    ['an unknown mixer option', { preset: 'tiny', ssmCfg: { size: 3 } }, 'unknown option "size"'], ['no width', { nLayer: 1 }, 'dModel is undefined'],
  ])('refuses %s', (_, config, text) => {
    expect(() => Backbone.create(config)).toThrow(ConfigError);
    expect(() => Backbone.create(config)).toThrow(text);
  });

  it('says what input it wants', () => {
    using model = Backbone.create({ preset: 'tiny', vocabSize: 5 });
    expect(() => model.apply(tf.zeros([1, 2, 3]))).toThrow(ShapeError);
    expect(() => model.apply(tf.zeros([1, 2, 3]))).toThrow('expected token ids [B, L]');
  });
});
