import { describe, expect, test } from 'vitest';
import { checkStructure } from './check.ts';
import { workspaceOf } from './workspace.ts';

const library = {
  name: '@mamba360/ssm',
  description: 'Core.',
  license: 'Apache-2.0',
  type: 'module',
  sideEffects: false,
  engines: { node: '>=20.19' },
  files: ['dist', 'src', 'README.md', 'CHANGELOG.md', 'LICENSE'],
  exports: {
    '.': { '@mamba360/source': './src/index.ts', types: './dist/index.d.ts', default: './dist/index.js' },
    './package.json': './package.json',
  },
  scripts: { build: 'tsc -b tsconfig.build.json', test: 'vitest run', check: 'publint' },
};

/** A workspace of one core and one domain package that breaks no rule. */
const good: Record<string, string> = {
  'packages/ssm/package.json': JSON.stringify(library),
  'packages/ssm/README.md': '# ssm',
  'packages/ssm/LICENSE': 'Apache',
  'packages/ssm/tsconfig.json': '{}',
  'packages/ssm/tsconfig.build.json': '{"references":[]}',
  'packages/ssm/tsconfig.test.json': '{"references":[{"path":"./tsconfig.build.json"}]}',
  'packages/ssm/src/index.ts': "export * from './ops/index.ts';\n",
  'packages/ssm/src/ops/index.ts': "export { scan } from './scan.ts';\n",
  'packages/ssm/src/ops/scan.ts': "import * as tf from '@tensorflow/tfjs';\nexport const scan = tf.add;\n",
  'packages/ssm/src/math/hippo.ts': 'export const one = 1;\n',
  'packages/audio/package.json': JSON.stringify({ ...library, name: '@mamba360/audio', dependencies: { '@mamba360/ssm': 'workspace:*' } }),
  'packages/audio/README.md': '# audio',
  'packages/audio/LICENSE': 'Apache',
  'packages/audio/tsconfig.json': '{}',
  'packages/audio/tsconfig.build.json': '{"references":[{"path":"../../packages/ssm/tsconfig.build.json"}]}',
  'packages/audio/tsconfig.test.json': '{"references":[{"path":"./tsconfig.build.json"},{"path":"../../packages/ssm/tsconfig.build.json"}]}',
  'packages/audio/src/index.ts': "export { denoise } from './denoise.ts';\n",
  'packages/audio/src/denoise.ts': "import { scan } from '@mamba360/ssm/ops';\nexport const denoise = scan;\n",
};

/** Violations after files were added or replaced; undefined removes one. */
function violations(changes: Record<string, string | undefined>): string[] {
  const files = Object.fromEntries(Object.entries({ ...good, ...changes }).filter((entry): entry is [string, string] => entry[1] !== undefined));
  return checkStructure(workspaceOf(Object.keys(files), (path) => files[path]!)).map(({ rule, file, message }) => `${rule}: ${file}: ${message}`);
}

const manifest = (fields: object): string => JSON.stringify({ ...library, ...fields });

test('a workspace that keeps every rule has no violation', () => {
  expect(violations({})).toEqual([]);
});

describe('package-shape', () => {
  test.each([
    [{ scripts: { ...library.scripts, postinstall: 'node x.js' } }, 'has the install script "postinstall"; no package may have one'],
    [{ dependencies: { 'pure-rand': '^8.4.2' } }, 'pure-rand is ^8.4.2, expected an exact version'],
    [{ license: 'MIT' }, 'license is MIT, expected Apache-2.0'],
    [{ sideEffects: undefined }, 'sideEffects is not false'],
    [{ files: ['dist'] }, 'files does not name src'],
    [{ private: true }, 'is private, and everything in packages/ is published'],
    [{ exports: { ...library.exports, './ops': './dist/ops/index.js' } }, 'exports["./ops"] has the conditions'],
  ])('%j', (fields, message) => {
    expect(violations({ 'packages/ssm/package.json': manifest(fields) }).join('\n')).toContain(
      `package-shape: packages/ssm/package.json: ${message}`,
    );
  });

  test('a missing README', () => {
    expect(violations({ 'packages/audio/README.md': undefined })).toEqual(['package-shape: packages/audio/README.md: is missing']);
  });
});

test('project-references: a dependency without its reference, and the reverse', () => {
  expect(violations({ 'packages/audio/tsconfig.build.json': '{"references":[]}' })).toHaveLength(1);
  const extra = '{"references":[{"path":"../../packages/audio/tsconfig.build.json"}]}';
  expect(violations({ 'packages/ssm/tsconfig.build.json': extra })[0]).toContain('does not depend on');
});

test('index-exports-only: logic in an index', () => {
  expect(violations({ 'packages/ssm/src/ops/index.ts': 'export const logic = 1;\n' })).toEqual([
    'index-exports-only: packages/ssm/src/ops/index.ts: line 1 is no export; logic belongs in a file of its own',
  ]);
});

describe('import-direction', () => {
  test.each([
    ['packages/ssm/src/ops/scan.ts', "import type { Mamba } from '../layers/mamba.ts';", 'ops imports layers'],
    ['packages/ssm/src/ops/scan.ts', "export * from '@mamba360/audio';", 'the core knows no other package'],
    ['packages/ssm/src/kernels/wasm.ts', "const x = import('../backend/x.ts');", 'kernels imports backend'],
    ['packages/audio/src/denoise.ts', "import { forecast } from '@mamba360/time-series';", 'what two domains need moves to ssm'],
    ['packages/audio/src/denoise.ts', "import { tolerances } from '@mamba360/testing';", 'a domain package imports @mamba360/testing'],
    ['packages/audio/src/denoise.ts', "import { scan } from '../../ssm/src/ops/scan.ts';", 'leaves the package'],
  ])('%s %s', (file, source, message) => {
    expect(violations({ [file]: `${source}\n` }).join('\n')).toMatch(new RegExp(`import-direction: ${file}: line 1: .*${message}`));
  });

  test('tests may import the testing tools', () => {
    expect(violations({ 'packages/audio/src/denoise.test.ts': "import { tolerances } from '@mamba360/testing';\n" })).toEqual([]);
  });
});

describe('rooms-without-tensorflow', () => {
  test('even as a type', () => {
    const found = violations({ 'packages/ssm/src/math/hippo.ts': "export type T = import('@tensorflow/tfjs').Tensor;\n" });
    expect(found).toEqual([
      'rooms-without-tensorflow: packages/ssm/src/math/hippo.ts: reaches TensorFlow.js: packages/ssm/src/math/hippo.ts -> @tensorflow/tfjs',
    ]);
  });

  test('even through another file', () => {
    const found = violations({ 'packages/ssm/src/checkpoints/read.ts': "import { scan } from '../ops/scan.ts';\n" });
    expect(found.join('\n')).toContain('packages/ssm/src/checkpoints/read.ts -> packages/ssm/src/ops/scan.ts -> @tensorflow/tfjs');
  });
});

test('names: utils, and files that are not kebab-case', () => {
  expect(violations({ 'packages/ssm/src/ops/utils.ts': 'export {};\n' })[0]).toContain('name the thing');
  expect(violations({ 'packages/ssm/src/ops/fastScan.ts': 'export {};\n' })[0]).toContain('kebab-case');
});

test('nothing-local: a registry host, a path of one machine', () => {
  expect(violations({ 'docs/a.md': ['see registry', 'npmjs', 'org'].join('.') })[0]).toContain('names the host of a package registry');
  expect(violations({ 'docs/a.md': ['cd ', 'home/me'].join('/') })[0]).toContain('absolute path');
  expect(violations({ 'docs/a.md': 'cd ../shared/golden && ls ~/work/x packages/work/y' })).toEqual([]);
});

describe('shared-tests', () => {
  const source = "const folder = process.env.MAMBA360_SHARED ?? '';\n";

  test('a test of ../shared without the name', () => {
    expect(violations({ 'packages/audio/src/denoise.test.ts': source })[0]).toContain('its name must end in .shared.test.ts');
  });

  test('the name without the script', () => {
    expect(violations({ 'packages/audio/src/denoise.shared.test.ts': source })[0]).toContain('no script "test:shared"');
  });
});
