import type { Rule } from '../workspace.ts';

const EMPTY_NAMES = /(^|\/)(utils?|helpers?|misc|common-utils)(\/|\.[^/]*$)/i;
const KEBAB = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9-]+)*$/;

/** A name says what the thing is: no `utils`, and files in kebab-case. */
export const names: Rule = {
  name: 'names',
  *check({ files }) {
    for (const file of files) {
      if (EMPTY_NAMES.test(file)) yield { file, message: 'name the thing: no utils, helpers or misc' };
      const base = file.split('/').at(-1) ?? '';
      if (/^(packages|apps|tooling)\/.*\.(ts|mjs|c|h)$/.test(file) && !KEBAB.test(base)) yield { file, message: 'is not in kebab-case' };
    }
  },
};
