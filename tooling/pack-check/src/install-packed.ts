import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './command.ts';
import type { Tarball } from './pack-release.ts';

/**
 * Installs packed packages with npm, scripts off, in a new folder. The packages are not on the registry, so every one of ours that is needed
 * comes from its tarball.
 *
 * @returns the folder.
 */
export function installPacked(folder: string, wanted: readonly Tarball[], all: readonly Tarball[]): string {
  mkdirSync(folder, { recursive: true });
  const file = ({ path }: Tarball): string => `file:${path}`;
  const names = new Set(wanted.map(({ name }) => name));
  const manifest = {
    name: 'pack-check',
    private: true,
    type: 'module',
    dependencies: Object.fromEntries(wanted.map((tarball) => [tarball.name, file(tarball)])),
    overrides: Object.fromEntries(all.filter(({ name }) => !names.has(name)).map((tarball) => [tarball.name, file(tarball)])),
  };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  runCommand('npm', ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--no-progress'], folder);
  return folder;
}

/** Runs a module text in the folder and returns what it prints. */
export function runModule(folder: string, source: string): string {
  return runCommand(process.execPath, ['--input-type=module', '--eval', source], folder, { TF_CPP_MIN_LOG_LEVEL: '2', NODE_OPTIONS: '' }).trim();
}
