import { expect, it } from 'vitest';
import { BYTES, huggingFaceTokenizer } from './index.ts';

const TEXT = 'naïve café — 東京 👩‍🚀 end';

it('bytes go back and forth, and come piece by piece without half characters', () => {
  const ids = BYTES.encode(TEXT);
  expect(ids).toEqual([...new TextEncoder().encode(TEXT)]);
  expect(BYTES.decode(ids)).toBe(TEXT);
  const decoder = BYTES.decoder(), pieces = ids.map((id) => decoder.push(id));
  expect(pieces.join('') + decoder.end()).toBe(TEXT);
  expect(pieces.join('')).not.toContain('\uFFFD');
  const half = BYTES.decoder();
  expect(half.push(0xe6) + half.end()).toBe('\uFFFD');
  expect(() => BYTES.decoder().push(-1)).toThrow('got token -1');
});

/** A byte-level BPE of a few merges, as GPT-2 writes it. */
const TINY = {
  version: '1.0', added_tokens: [{ id: 8, content: '<|end|>', single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }],
  normalizer: null, pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }, post_processor: null,
  decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: { type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: '', end_of_word_suffix: '', fuse_unk: false, vocab: { a: 0, b: 1, 'Ġ': 2, ab: 3, 'Ġab': 4, 'Ã': 5, '©': 6, 'Ġa': 7 }, merges: ['a b', 'Ġ ab', 'Ġ a'] },
};

it('tokenizer.json: encodes, decodes, leaves special tokens out, waits for whole characters', () => {
  const tokenizer = huggingFaceTokenizer(TINY);
  expect(tokenizer.vocabSize).toBe(9);
  expect(tokenizer.encode('ab ab é')).toEqual([3, 4, 2, 5, 6]);
  expect(tokenizer.decode([3, 8, 4])).toBe('ab ab');
  const decoder = tokenizer.decoder(), pieces = [3, 4, 2, 5, 6, 3].map((id) => decoder.push(id));
  expect(pieces).toEqual(['ab', ' ab', ' ', '', 'é', 'ab']);
  expect(decoder.end()).toBe('');
});

it('says that a file is none', () => {
  expect(() => huggingFaceTokenizer({ model: { type: 'nothing' } })).toThrow('tokenizer.json');
});
