import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('.', import.meta.url));
const conditions = ['@mamba360/source', 'module', 'node', 'import'];

// Tests named `*.shared.test.ts` read golden files or data beside the repository, which turbo cannot hash: they are a project of their own
// (`ssm:shared`), run by the uncached task `test:shared`.
const SHARED_TESTS = 'src/**/*.shared.test.ts';
const sharedFolder = process.env.MAMBA360_SHARED ?? resolve(root, '../shared');

/** Every workspace member with sources, by its package name without the scope. */
function members(): { name: string; folder: string }[] {
  return ['packages', 'apps', 'tooling'].flatMap((group) =>
    readdirSync(join(root, group))
      .map((name) => join(root, group, name))
      .filter((folder) => existsSync(join(folder, 'package.json')))
      .map((folder) => {
        const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name: string };
        return { name: manifest.name.replace('@mamba360/', ''), folder };
      }),
  );
}

const project = (name: string, folder: string, include: string[], exclude: string[]) => ({
  extends: true as const,
  test: { name, root: folder, include, exclude: ['**/node_modules/**', '**/dist/**', ...exclude] },
});

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    passWithNoTests: true,
    env: { TF_CPP_MIN_LOG_LEVEL: '2', ...(existsSync(sharedFolder) ? { MAMBA360_SHARED: sharedFolder } : {}) },
    // Under turbo, which sets TURBO_HASH, a line for each test would drown what failed.
    reporters: [process.env.TURBO_HASH === undefined ? 'default' : 'dot', 'json'],
    // Where the command was started: a member's folder under turbo. `tooling/bootstrap` adds the reports up.
    outputFile: {
      json: resolve(process.cwd(), process.argv.some((word) => word.endsWith(':shared')) ? 'test-results-shared.json' : 'test-results.json'),
    },
    projects: members().flatMap(({ name, folder }) => [
      project(name, folder, ['src/**/*.test.ts', '*.test.mjs'], [SHARED_TESTS]),
      project(`${name}:shared`, folder, [SHARED_TESTS], []),
    ]),
  },
});
