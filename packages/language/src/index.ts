export * from './model/index.ts';
export { BYTES, huggingFaceTokenizer } from './tokenizers/index.ts';
export type { TokenDecoder, Tokenizer } from './tokenizers/index.ts';
export type { Sampled, SamplingOptions } from './sampling/index.ts';
