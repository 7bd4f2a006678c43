import { encodeModelFolder, storeTensor } from '@mamba360/ssm/checkpoints';
import { tf, useBackend } from '@mamba360/ssm/backend';
import { namedParameters } from '@mamba360/ssm/layers';
import { Backbone, oursToOfficial } from '@mamba360/ssm/models';
import { backendMatrix } from '@mamba360/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { BYTES } from '../tokenizers/index.ts';
import { LanguageModel, Session } from './index.ts';

const backends = await backendMatrix(useBackend);
const CONFIG = { dModel: 24, nLayer: 2, ssmCfg: { dState: 4 }, vocabSize: 256, padVocabSizeMultiple: 1 } as const;

/** A random model whose head is sharpened, so that greedy choices are not a matter of rounding. */
function small(): LanguageModel {
  const backbone = Backbone.create(CONFIG, { seed: 11 });
  for (const [name, variable] of namedParameters(backbone.parameters)) if (name === 'embedding.weight') variable.assign(tf.mul(variable, 40));
  return new LanguageModel(backbone, { tokenizer: BYTES });
}

describe.each(backends)('LanguageModel on %s', (name) => {
  beforeAll(async () => { await useBackend(name); });

  it('gives a text the same continuation alone, in a batch of other lengths, and piece by piece', async () => {
    using model = small();
    const prompts = ['a', 'hello there, this one is longer', 'mid size'];
    const options = { maxNewTokens: 24, temperature: 0 };
    const together = await model.generate(prompts, options);
    for (const [row, prompt] of prompts.entries()) {
      const alone = await model.generate(prompt, options);
      expect(together[row]!.tokens).toEqual(alone.tokens);
      expect(alone.text).toBe(BYTES.decode(alone.tokens));
      expect(alone.finishReason).toBe('length');
      let text = '';
      for await (const event of model.stream(prompt, options)) if (event.type === 'text-delta') text += event.text;
      expect(text).toBe(alone.text);
    }
  });

  it('draws row i of a batch as it would be drawn anywhere, and by seed', async () => {
    using model = small();
    const once = await model.generate(['one', 'two words'], { maxNewTokens: 12, seed: 4, temperature: 40 });
    expect((await model.generate(['one', 'another neighbour'], { maxNewTokens: 12, seed: 4, temperature: 40 }))[0]).toEqual(expect.objectContaining({ tokens: once[0]!.tokens }));
    expect((await model.generate('one', { maxNewTokens: 12, seed: 5, temperature: 40 })).tokens).not.toEqual(once[0]!.tokens);
  });

  it('stops at stop strings and end tokens', async () => {
    using model = small();
    const whole = await model.generate('x', { maxNewTokens: 30, temperature: 0 });
    const third = whole.tokens[3]!, cut = whole.tokens.indexOf(third);
    const ended = await model.generate('x', { maxNewTokens: 30, temperature: 0, endTokens: [third] });
    expect(ended).toEqual({ text: BYTES.decode(whole.tokens.slice(0, cut)), tokens: whole.tokens.slice(0, cut), finishReason: 'end-token', logProbabilities: whole.logProbabilities.slice(0, cut).map((value) => expect.closeTo(value, 4)) });
    const logitBias = Object.fromEntries(Array.from({ length: 256 }, (_, id) => [id, id >= 97 && id < 123 ? 0 : -Infinity]));
    const printable = await model.generate('x', { maxNewTokens: 40, temperature: 30, logitBias });
    expect(printable.text).toMatch(/^[a-z]{40}$/);
    const stop = printable.text.slice(10, 13), stopped = await model.generate('x', { maxNewTokens: 40, temperature: 30, stop: [stop], logitBias });
    expect(stopped.finishReason).toBe('stop');
    expect(stopped.text).toBe(printable.text.slice(0, printable.text.indexOf(stop)));
  });

  it('goes on in a session as in one text: appended, forked, saved, loaded', async () => {
    using model = small();
    const options = { maxNewTokens: 10, temperature: 0 };
    const expected = await model.generate('first and second', options);
    using session = model.session();
    await session.append('first');
    using fork = session.clone();
    await session.append(' and second');
    const file = await session.save();
    expect((await session.generate(options)).tokens).toEqual(expected.tokens);
    // Behind its own text the session stands where a new one would stand that had read all of it.
    expect((await session.generate(options)).tokens).toEqual((await model.generate([...BYTES.encode('first and second'), ...expected.tokens], options)).tokens);
    await fork.append(' and second');
    expect((await fork.generate(options)).tokens).toEqual(expected.tokens);
    using loaded = await Session.load(model, file);
    expect((await loaded.generate(options)).tokens).toEqual(expected.tokens);
    using other = new LanguageModel(Backbone.create(CONFIG, { seed: 12 }), { tokenizer: BYTES });
    await expect(Session.load(other, file)).rejects.toThrow('belongs to model');
  });

  it('scores any length in chunks as at once, and embeds', async () => {
    using model = small();
    const ids = BYTES.encode('the quick brown fox jumps over the lazy dog. '.repeat(14));
    const { logLikelihood, perToken, perplexity, bitsPerByte } = await model.score(ids);
    expect(perToken).toHaveLength(ids.length - 1);
    const whole = tf.tidy(() => {
      const { output } = model.backbone.apply(tf.tensor([ids], undefined, 'int32'));
      return tf.logSoftmax(tf.squeeze(output, [0])).arraySync() as number[][];
    });
    ids.slice(1).forEach((id, i) => expect(perToken[i]).toBeCloseTo(whole[i]![id]!, 3));
    expect(perplexity).toBeCloseTo(Math.exp(-logLikelihood / (ids.length - 1)), 3);
    expect(bitsPerByte).toBeCloseTo(-logLikelihood / Math.LN2 / (ids.length - 1), 3);
    const [a, b] = await model.embed(['abc', 'abd']);
    expect(a).toHaveLength(24);
    expect([...a!]).not.toEqual([...b!]);
  });

  it('leaves no tensors behind, also when the caller leaves early or aborts', async () => {
    using model = small();
    await model.generate('warm', { maxNewTokens: 2 });
    const before = tf.memory().numTensors;
    await model.generate(['a', 'bcd'], { maxNewTokens: 5 });
    for await (const event of model.stream('abc', { maxNewTokens: 50 })) if (event.type === 'text-delta') break;
    const abort = new AbortController();
    await expect((async () => {
      for await (const event of model.stream('abc', { maxNewTokens: 50, signal: abort.signal })) if (event.type === 'text-delta') abort.abort();
    })()).rejects.toThrow();
    const session = model.session();
    await session.append('abc');
    await session.generate({ maxNewTokens: 3 });
    session.dispose();
    await model.score('abc');
    await model.embed(['abc']);
    expect(tf.memory().numTensors).toBe(before);
  });
});

it('loads a folder in one file or in shards, and says what is wrong with one', async () => {
  await useBackend('wasm');
  const source = Backbone.create({ ...CONFIG, tieEmbeddings: true }, { seed: 3 });
  const tensors = namedParameters(source.parameters).map(([name, variable]) => [oursToOfficial(name), storeTensor(variable.dataSync() as Float32Array, variable.shape)] as const);
  const config = { d_model: 24, n_layer: 2, vocab_size: 256, pad_vocab_size_multiple: 1, ssm_cfg: { layer: 'Mamba1', d_state: 4 }, tie_embeddings: true };
  const whole = encodeModelFolder({ config, tensors });
  using one = await LanguageModel.load({ files: whole });
  const expected = await one.generate('ab', { maxNewTokens: 6, temperature: 0 });
  const shard = (part: number): Uint8Array => encodeModelFolder({ config, tensors: tensors.filter((_, i) => i % 2 === part) }).get('model.safetensors')!;
  const index = { weight_map: Object.fromEntries(tensors.map(([name], i) => [name, `part-${i % 2}.safetensors`])) };
  const sharded = new Map([['config.json', whole.get('config.json')!], ['part-0.safetensors', shard(0)], ['part-1.safetensors', shard(1)], ['model.safetensors.index.json', new TextEncoder().encode(JSON.stringify(index))]]);
  using two = await LanguageModel.load({ files: sharded });
  expect(await two.generate('ab', { maxNewTokens: 6, temperature: 0 })).toEqual(expected);
  const without = new Map(sharded);
  without.delete('part-1.safetensors');
  await expect(LanguageModel.load({ files: without })).rejects.toThrow('part-1.safetensors is missing');
  const crossed = new Map(sharded).set('part-1.safetensors', shard(0));
  await expect(LanguageModel.load({ files: crossed })).rejects.toThrow('which the index places in');
  const escaping = new Map(sharded).set('model.safetensors.index.json', new TextEncoder().encode('{"weight_map":{"a":"../b.safetensors"}}'));
  await expect(LanguageModel.load({ files: escaping })).rejects.toThrow('is not the plain name');
  await expect(LanguageModel.load({ files: new Map(whole).set('config.json', new TextEncoder().encode('{"model_type":"llama"}')) })).rejects.toThrow('model_type is "llama"');
  using mute = new LanguageModel(Backbone.create(CONFIG));
  await expect(mute.generate('text')).rejects.toThrow('has no tokenizer');
  await expect(mute.generate([300])).rejects.toThrow('token 300, expected whole numbers below 256');
  await expect(one.generate('')).rejects.toThrow('has no tokens');
  source.dispose();
});
