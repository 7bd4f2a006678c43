import type { Family } from './family.ts';
import { runLanguageModel } from './language-model-case.ts';

/** Language models of mamba_ssm in their own layout: Mamba and Mamba-2. */
export const mambaSsmModelsFamily: Family = { name: 'mamba_ssm_models', unsupported: () => null, run: runLanguageModel };
