import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './paths.mjs';

const FOLDER = join(ROOT, 'node_modules', '.mamba360');

/**
 * A hash of files and folders (paths from the root, whole trees) and of the platform: what a step depends on.
 *
 * @param {string[]} paths
 */
export function fingerprint(paths) {
  const hash = createHash('sha256').update(`${process.platform}-${process.arch}-${process.versions.modules}-${process.versions.napi}`);
  const add = (path) => {
    const full = join(ROOT, path);
    if (!existsSync(full)) return;
    if (statSync(full).isDirectory()) {
      for (const name of readdirSync(full).sort()) if (!['node_modules', 'dist', '.cache'].includes(name)) add(`${path}/${name}`);
    } else {
      hash.update(path).update(readFileSync(full));
    }
  };
  paths.forEach(add);
  return hash.digest('hex');
}

/** @param {string} step @param {string} value */
export const isStamped = (step, value) => existsSync(join(FOLDER, step)) && readFileSync(join(FOLDER, step), 'utf8') === value;

/** @param {string} step @param {string} value */
export function stamp(step, value) {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(join(FOLDER, step), value);
}

/** @param {string} step */
export const clearStamp = (step) => rmSync(join(FOLDER, step), { force: true });
