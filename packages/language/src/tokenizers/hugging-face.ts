import { Tokenizer as Reader } from '@huggingface/tokenizers';
import { FileError } from '@mamba360/ssm/errors';
import type { TokenDecoder, Tokenizer } from './tokenizer.ts';

type Json = { readonly [key: string]: unknown };

const REPLACEMENT = '\uFFFD';
/** Tokens whose text is decoded together, so that spaces and joined characters come out as in the whole text. */
const CONTEXT = 8;

/** Pieces by difference: the last tokens are decoded with and without the new one. */
function differences(decode: (ids: number[]) => string): TokenDecoder {
  let context: number[] = [], waiting: number[] = [];
  const text = (): string => decode([...context, ...waiting]).slice(decode(context).length);
  return {
    push(id) {
      waiting.push(id);
      const piece = text();
      if (piece.endsWith(REPLACEMENT) && waiting.length < CONTEXT) return '';
      context = [...context, ...waiting].slice(-CONTEXT);
      waiting = [];
      return piece;
    },
    end: () => (waiting.length > 0 ? text() : ''),
  };
}

/** The number of ids: the vocabulary's and those added beside it. */
function sizeOf(tokenizer: Json): number {
  const vocabulary = (tokenizer['model'] as Json | undefined)?.['vocab'];
  const known = Array.isArray(vocabulary) ? vocabulary.length - 1 : Object.values((vocabulary ?? {}) as Record<string, number>).reduce((most, id) => Math.max(most, id), -1);
  const added = (tokenizer['added_tokens'] ?? []) as readonly { readonly id: number }[];
  return 1 + added.reduce((most, { id }) => Math.max(most, id), known);
}

/**
 * A tokenizer from tokenizer.json, by `@huggingface/tokenizers`.
 *
 * @param tokenizer - Parsed tokenizer.json. @param config - Parsed tokenizer_config.json, where there is one.
 * @throws FileError if the file is not a tokenizer this library reads.
 */
export function huggingFaceTokenizer(tokenizer: Json, config: Json = {}): Tokenizer {
  let reader: Reader;
  try {
    reader = new Reader(tokenizer, config);
  } catch (cause) {
    throw new FileError(`tokenizer.json: ${(cause as Error).message}. Expected the file that transformers' fast tokenizers save; save it again with tokenizer.save_pretrained.`, { cause });
  }
  const decode = (ids: readonly number[]): string => (ids.length > 0 ? reader.decode([...ids], { skip_special_tokens: true, clean_up_tokenization_spaces: false }) : '');
  return {
    name: 'tokenizer.json',
    vocabSize: sizeOf(tokenizer),
    encode: (text) => [...reader.encode(text).ids],
    decode,
    decoder: () => differences(decode),
  };
}
