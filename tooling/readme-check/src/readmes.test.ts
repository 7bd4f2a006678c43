import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { examplesOf } from './examples.ts';
import { outputDifference } from './same-output.ts';

const packages = fileURLToPath(new URL('../../../packages', import.meta.url));
const found = readdirSync(packages)
  .map((name) => ({ name, path: join(packages, name, 'README.md') }))
  .filter(({ path }) => existsSync(path))
  .flatMap(({ name, path }) => examplesOf(readFileSync(path, 'utf8')).map((example) => ({ name, ...example })));

/** Runs the text as a module of the package, which sees itself and its dependencies by name. */
function run(name: string, line: number, source: string): string {
  const folder = join(packages, name, '.cache', 'readme-check');
  const file = join(folder, `line-${line}.mts`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, source);
  try {
    return execFileSync(process.execPath, ['--conditions=@mamba360/source', '--import', 'tsx', file], {
      cwd: join(packages, name),
      encoding: 'utf8',
    });
  } finally {
    rmSync(file);
  }
}

test('the core and the first domain package have an example', () => {
  expect(found.map(({ name }) => name)).toEqual(expect.arrayContaining(['ssm', 'time-series']));
});

describe('an example prints what its README says', () => {
  test.each(found)(
    '$name, line $line',
    ({ name, line, source, output }) => {
      expect(outputDifference(run(name, line, source), output)).toBeUndefined();
    },
    120_000,
  );
});

test('only a program followed by its output is an example', () => {
  const markdown = 'a\n```ts\none();\n```\n\n```text\n1\n```\n\n```ts\nalone();\n```\n\nwords\n\n```text\n2\n```\n';
  expect(examplesOf(markdown)).toEqual([{ line: 2, source: 'one();\n', output: '1\n' }]);
});

test('words must be equal, numbers near', () => {
  expect(outputDifference('mase  0.7816 *\n', 'mase 0.7901 *\n')).toBeUndefined();
  expect(outputDifference('2 x 3 equal', '2 x 3 different')).toContain('expected');
  expect(outputDifference('mase 0.7816', 'mase 0.9')).toBe('number 1 is 0.7816, expected 0.9, in\nmase 0.7816');
});
