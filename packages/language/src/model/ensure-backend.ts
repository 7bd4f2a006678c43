import { kernelTargetOf, tf, useBackend } from '@mamba360/ssm/backend';

/** The active backend where one was chosen, else the best one that starts. */
export async function ensureBackend(): Promise<void> {
  if (kernelTargetOf(tf.getBackend()) === null) await useBackend('auto');
}
