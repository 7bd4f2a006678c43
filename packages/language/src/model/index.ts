export type { FinishReason, GenerationOptions } from './generation.ts';
export { LanguageModel } from './language-model.ts';
export type { LanguageModelOptions } from './language-model.ts';
export { Session } from './session.ts';
export type { Generated, GenerateOptions, Score, TextEvent } from './text-options.ts';
