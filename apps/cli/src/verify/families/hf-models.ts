import type { GoldenDescription } from '@mamba360/testing';
import type { Family } from './family.ts';
import { runLanguageModel } from './language-model-case.ts';

const BUILT = new Set(['mamba', 'falcon_mamba', 'mamba2', 'rwkv']);

/** Language models in the layout of transformers. */
export const hfModelsFamily: Family = {
  name: 'hf_models',
  unsupported: ({ params }: GoldenDescription) => (BUILT.has(String(params['model_type'])) ? null : `models of type ${String(params['model_type'])} are not built yet`),
  run: runLanguageModel,
};
