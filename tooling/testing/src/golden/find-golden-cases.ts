import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';

/** A case as found on disk. `problem` is set where its files are incomplete, so that it fails instead of vanishing. */
export interface GoldenReference {
  readonly family: string;
  readonly name: string;
  readonly jsonPath: string;
  readonly problem?: string;
}

/**
 * Finds every golden case below a folder: pairs of `<case>.json` and `<case>.safetensors`, the family being the folder's name. Folders of
 * whole models (`config.json` beside weights) belong to a case and are not walked. Throws if the folder cannot be read.
 */
export async function findGoldenCases(folder: string): Promise<GoldenReference[]> {
  const found: GoldenReference[] = [];
  const entries = await readdir(folder, { withFileTypes: true });
  const files = new Set(entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name));
  if (files.has('config.json')) return found;
  const names = new Set([...files].flatMap((file) => (/\.(json|safetensors)$/.test(file) ? [file.replace(/\.(json|safetensors)$/, '')] : [])));
  for (const name of [...names].sort()) {
    const json = files.has(`${name}.json`);
    const problem = !json ? `${name}.json is missing` : !files.has(`${name}.safetensors`) ? `${name}.safetensors is missing` : undefined;
    found.push({ family: basename(folder), name, jsonPath: join(folder, `${name}.json`), ...(problem ? { problem } : {}) });
  }
  for (const entry of entries.filter((item) => item.isDirectory()).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    found.push(...await findGoldenCases(join(folder, entry.name)));
  }
  return found;
}
