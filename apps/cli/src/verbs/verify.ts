import type { BackendName } from '@mamba360/ssm/backend';
import { progressBar } from '../frame/progress-bar.ts';
import { UsageError } from '../frame/usage-error.ts';
import { defineVerb } from '../frame/verb.ts';
import type { VerbResult } from '../frame/verb.ts';

const list = (text: string | undefined): string[] | undefined => text?.split(',').map((name) => name.trim());

export const command = defineVerb({
  name: 'verify',
  description:
    'Compares this implementation with golden cases of the official ones: every output, state and gradient, on every backend or the one named. With --law, every layer with itself: whole, in chunks, step by step, batched, padded, packed, saved and restored.',
  options: {
    folder: { type: 'positional', description: 'Folder of golden cases, of any depth.', required: false },
    families: { type: 'string', alias: 'family', description: 'Only these families, separated by commas.', valueHint: 'names' },
    law: { type: 'boolean', description: 'Check the law of state over all registered layers; takes no folder.' },
    members: { type: 'string', description: 'Of --law: only these layers, separated by commas.', valueHint: 'names' },
  },
  async run({ folder, families, law, members }, { backend, seed }) {
    const backends = backend === 'auto' ? undefined : [backend as BackendName];
    if (law === true) {
      if (folder !== undefined || families !== undefined) throw new UsageError('verify --law compares layers with themselves and takes no folder and no --families. Give one or the other.');
      return runLaw(backends, list(members), seed);
    }
    if (members !== undefined) throw new UsageError('--members chooses among the layers of verify --law. Golden cases are chosen with --families.');
    if (folder === undefined) throw new UsageError('verify needs a folder of golden cases, such as mamba360 verify ../shared/golden, or --law.');
    return runGolden(folder, backends, list(families));
  },
});

async function runGolden(folder: string, backends: BackendName[] | undefined, families: string[] | undefined): Promise<VerbResult> {
  const { verify, reportAsText } = await import('../verify/index.ts');
  const progress = progressBar('verify');
  try {
    const report = await verify({ folder, backends, families, onProgress: ({ done, total, last }) => progress.update(done, total, `${last.family}/${last.case}`) });
    return { document: report, text: reportAsText(report), exitCode: report.summary.fail > 0 ? 1 : 0 };
  } finally {
    progress.stop();
  }
}

async function runLaw(backends: BackendName[] | undefined, members: string[] | undefined, seed: number): Promise<VerbResult> {
  const { checkLaw, printLaw } = await import('../law/check-law.ts');
  const progress = progressBar('law');
  try {
    const report = await checkLaw({ backends, members, seed, onProgress: (done, total, label) => progress.update(done, total, label) });
    return { document: report, text: printLaw(report), exitCode: report.summary.fail > 0 ? 1 : 0 };
  } finally {
    progress.stop();
  }
}
