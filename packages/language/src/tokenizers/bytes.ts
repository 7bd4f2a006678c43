import { DataError } from '@mamba360/ssm/errors';
import type { TokenDecoder, Tokenizer } from './tokenizer.ts';

const encoder = new TextEncoder();

/** UTF-8 bytes as tokens 0 ... 255, as MambaByte has it; ids above are special and have no text. */
export const BYTES: Tokenizer = {
  name: 'bytes',
  vocabSize: 256,
  encode: (text) => [...encoder.encode(text)],
  decode: (ids) => new TextDecoder().decode(Uint8Array.from(ids.filter((id) => id < 256))),
  decoder(): TokenDecoder {
    const decoder = new TextDecoder();
    return {
      push(id) {
        if (!Number.isInteger(id) || id < 0) throw new DataError(`bytes: got token ${id}, expected a whole number of at least 0.`);
        return id < 256 ? decoder.decode(Uint8Array.of(id), { stream: true }) : '';
      },
      end: () => decoder.decode(),
    };
  },
};
