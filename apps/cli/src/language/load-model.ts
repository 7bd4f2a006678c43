import { LanguageModel } from '@mamba360/language';
import { useBackend } from '@mamba360/ssm/backend';
import type { VerbContext } from '../frame/verb.ts';

/** The model of a folder, on the backend that the command line names. */
export async function loadModel(folder: string, context: VerbContext): Promise<LanguageModel> {
  const { backend } = await useBackend(context.backend as 'auto');
  context.note(`reading ${folder} (${backend})`);
  return LanguageModel.load(folder);
}
