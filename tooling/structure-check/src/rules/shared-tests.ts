import type { Rule } from '../workspace.ts';

const READS_SHARED = /MAMBA360_SHARED|\.\.\/shared\b|sharedFolder|sharedRoot/;

/** Turbo hashes nothing outside the repository, so a test that reads `../shared` is marked by its name and never cached. */
export const sharedTests: Rule = {
  name: 'shared-tests',
  *check({ files, members, read }) {
    for (const file of files) {
      if (!file.endsWith('.test.ts') || file.startsWith('tooling/structure-check/')) continue;
      const marked = file.endsWith('.shared.test.ts');
      if (READS_SHARED.test(read(file)) && !marked) yield { file, message: 'reads ../shared, so its name must end in .shared.test.ts' };
    }
    for (const { folder, manifest } of members) {
      const has = files.some((file) => file.startsWith(`${folder}/`) && file.endsWith('.shared.test.ts'));
      const script = manifest.scripts?.['test:shared'] !== undefined;
      if (has !== script)
        yield {
          file: `${folder}/package.json`,
          message: has ? 'has tests of ../shared and no script "test:shared"' : 'has the script "test:shared" and no such test',
        };
    }
  },
};
