import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Manifest {
  name?: string;
  version?: string;
  private?: boolean;
  description?: string;
  license?: string;
  type?: string;
  sideEffects?: boolean;
  engines?: { node?: string };
  files?: string[];
  bin?: Record<string, string>;
  exports?: Record<string, unknown>;
  publishConfig?: Record<string, unknown>;
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

export type Group = 'packages' | 'apps' | 'tooling';

export interface Member {
  /** Path from the root, such as `packages/ssm`. */
  readonly folder: string;
  readonly group: Group;
  readonly manifest: Manifest;
}

/** What the rules look at: every file git tracks or would track. */
export interface Workspace {
  readonly files: readonly string[];
  readonly members: readonly Member[];
  read(path: string): string;
}

export interface Violation {
  readonly rule: string;
  readonly file: string;
  readonly message: string;
}

export interface Rule {
  readonly name: string;
  check(workspace: Workspace): Iterable<Omit<Violation, 'rule'>>;
}

/** Reads the repository at `root`. */
export function readWorkspace(root: string): Workspace {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const files = listed.split('\0').filter((path) => path !== '' && existsSync(join(root, path)));
  return workspaceOf(files, (path) => readFileSync(join(root, path), 'utf8'));
}

/** A workspace from a list of files; tests build small ones. */
export function workspaceOf(files: readonly string[], read: (path: string) => string): Workspace {
  const members = files
    .map((path) => /^(packages|apps|tooling)\/[^/]+(?=\/package\.json$)/.exec(path))
    .filter((match) => match !== null)
    .map(([folder, group]) => ({ folder, group: group as Group, manifest: JSON.parse(read(`${folder}/package.json`)) as Manifest }));
  return { files, members, read };
}

const TEST_FILE = /\.(test|test-d|bench|shared\.test)\.tsx?$|\/(scripts|examples|__golden__|__fixtures__|[\w-]+-test)\//;

/** Sources that are published (or would be): no tests, benchmarks, scripts. */
export const isLibrarySource = (path: string): boolean => /\/src\/.*\.ts$/.test(path) && !TEST_FILE.test(path);
