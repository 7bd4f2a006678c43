import { defineVerb } from '../frame/verb.ts';
import { version } from '../version.ts';

export const command = defineVerb({
  name: 'doctor',
  description: 'Says what this machine can do: Node, backends with precision and threads, the kernel target, and what would be better.',
  options: {},
  async run() {
    const { examine } = await import('../doctor/examine.ts');
    const { renderExamination } = await import('../doctor/render.ts');
    const examination = await examine(version);
    return { document: examination, text: renderExamination(examination), exitCode: examination.automatic === null ? 1 : 0 };
  },
});
