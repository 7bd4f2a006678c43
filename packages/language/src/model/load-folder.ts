import { parseStrictJson, readModelFolder } from '@mamba360/ssm/checkpoints';
import type { ModelFolder, ModelSource } from '@mamba360/ssm/checkpoints';
import { FileError } from '@mamba360/ssm/errors';
import { BYTES, huggingFaceTokenizer } from '../tokenizers/index.ts';
import type { Tokenizer } from '../tokenizers/index.ts';

type JsonObject = { readonly [key: string]: unknown };

function jsonFile(files: ReadonlyMap<string, Uint8Array>, name: string): JsonObject | null {
  const bytes = files.get(name);
  if (!bytes) return null;
  const value = parseStrictJson(new TextDecoder().decode(bytes), name, { nonFinite: true });
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new FileError(`${name} does not hold an object. Fetch it again.`);
  return value;
}

/** A model folder, with its tokenizer: tokenizer.json, else bytes where the vocabulary is that small. */
export async function loadFolder(source: ModelSource): Promise<ModelFolder & { readonly tokenizer: Tokenizer | null; readonly endTokens: number[] }> {
  const folder = await readModelFolder(source, { read: ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json'] });
  const described = jsonFile(folder.files, 'tokenizer.json');
  const vocabSize = Number(folder.config['vocab_size'] ?? 0);
  const tokenizer = described ? huggingFaceTokenizer(described, jsonFile(folder.files, 'tokenizer_config.json') ?? {}) : vocabSize >= 256 && vocabSize <= 264 ? BYTES : null;
  const ends = [folder.config['eos_token_id'], jsonFile(folder.files, 'generation_config.json')?.['eos_token_id']].flat();
  return { ...folder, tokenizer, endTokens: [...new Set(ends.filter((id): id is number => typeof id === 'number'))] };
}
