import type { BackendName } from '@mamba360/ssm/backend';
import { progressBar } from '../frame/progress-bar.ts';
import { defineVerb } from '../frame/verb.ts';

export const command = defineVerb({
  name: 'verify',
  description:
    'Compares this implementation with golden cases of the official ones: every output, state and gradient, on every backend or the one named.',
  options: {
    folder: { type: 'positional', description: 'Folder of golden cases, of any depth.', required: true },
    families: { type: 'string', alias: 'family', description: 'Only these families, separated by commas.', valueHint: 'names' },
  },
  async run(args, { backend }) {
    const { verify, reportAsText } = await import('../verify/index.ts');
    const progress = progressBar('verify');
    try {
      const report = await verify({
        folder: args.folder,
        backends: backend === 'auto' ? undefined : [backend as BackendName],
        families: args.families?.split(',').map((name) => name.trim()),
        onProgress: ({ done, total, last }) => progress.update(done, total, `${last.family}/${last.case}`),
      });
      return { document: report, text: reportAsText(report), exitCode: report.summary.fail > 0 ? 1 : 0 };
    } finally {
      progress.stop();
    }
  },
});
