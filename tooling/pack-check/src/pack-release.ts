import { cpSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runCommand } from './command.ts';

/** One packed package. */
export interface Tarball {
  readonly name: string;
  readonly version: string;
  readonly path: string;
  readonly bytes: number;
  /** Paths inside, without the leading `package/`. */
  readonly files: readonly string[];
  readonly manifest: Record<string, unknown>;
}

/**
 * Versions and packs every package on a copy of the repository, as a release would.
 *
 * @param root - The repository, with every package built.
 * @param scratch - An empty folder; holds the copy in `copy/` and the tarballs in `tarballs/`.
 */
export function packRelease(root: string, scratch: string): Tarball[] {
  const copy = join(scratch, 'copy');
  const tarballs = join(scratch, 'tarballs');
  mkdirSync(tarballs, { recursive: true });
  copyRepository(root, copy);
  const bin = (name: string): string => join(root, 'node_modules', '.bin', name);
  runCommand(bin('pnpm'), ['install', '--frozen-lockfile', '--prefer-offline', '--ignore-scripts'], copy, { CI: 'true' });
  runCommand(bin('changeset'), ['version'], copy);
  runCommand(bin('pnpm'), ['-r', '--filter', './packages/*', 'pack', '--pack-destination', tarballs], copy);
  return readdirSync(tarballs)
    .filter((name) => name.endsWith('.tgz'))
    .sort()
    .map((name) => readTarball(join(tarballs, name)));
}

/** What git tracks or would track, and each package's `dist/`. */
function copyRepository(root: string, copy: string): void {
  const listed = runCommand('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], root).split('\0');
  const built = readdirSync(join(root, 'packages')).map((name) => `packages/${name}/dist`);
  for (const path of [...listed, ...built]) {
    const from = join(root, path);
    if (path === '' || !existsSync(from)) continue;
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    cpSync(from, join(copy, path), { recursive: true });
  }
}

function readTarball(path: string): Tarball {
  const folder = dirname(path);
  const files = runCommand('tar', ['-tzf', path], folder)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/^package\//, ''));
  const manifest = JSON.parse(runCommand('tar', ['-xzOf', path, 'package/package.json'], folder)) as Record<string, unknown>;
  return { name: String(manifest.name), version: String(manifest.version), path, bytes: statSync(path).size, files, manifest };
}
