export { BYTES } from './bytes.ts';
export { huggingFaceTokenizer } from './hugging-face.ts';
export type { TokenDecoder, Tokenizer } from './tokenizer.ts';
