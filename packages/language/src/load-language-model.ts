import type { ModelSource } from '@mamba360/ssm/checkpoints';
import type { LanguageModel as Loaded, LanguageModelOptions } from './model/index.ts';

/** A loaded model; the class itself, for models made by hand, is in `@mamba360/language/model`. */
export type LanguageModel = Loaded;

/** Loads models. TensorFlow.js, an optional peer, is imported with the first one, so that the rest of the package works without it. */
export const LanguageModel = {
  /** See `LanguageModel.load` of `@mamba360/language/model`. */
  async load(source: ModelSource, options: LanguageModelOptions = {}): Promise<Loaded> {
    const { LanguageModel: Class } = await import('./model/index.ts');
    return Class.load(source, options);
  },
};
