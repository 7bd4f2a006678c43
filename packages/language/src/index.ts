export { LanguageModel } from './load-language-model.ts';
export { BYTES, huggingFaceTokenizer } from './tokenizers/index.ts';
export type { TokenDecoder, Tokenizer } from './tokenizers/index.ts';
export type { Sampled, SamplingOptions } from './sampling/index.ts';
export type { FinishReason, Generated, GenerateOptions, GenerationOptions, LanguageModelOptions, Score, Session, TextEvent } from './model/index.ts';
