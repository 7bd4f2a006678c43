import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { compileBinding } from './compile-binding.ts';
import { loadTest } from './load-test.ts';
import { locate } from './locate.ts';
import { tryOfficialDownload } from './official-download.ts';
import { checkArchive, unpackArchive } from './registry-archive.ts';

/**
 * Makes `@tensorflow/tfjs-node` loadable in the workspace at `root`.
 *
 * @returns how it works: one phrase.
 * @throws Error with the reason why it does not.
 */
export async function setUpTfjsNode(root: string): Promise<string> {
  const places = locate(root);
  if (existsSync(places.binding) && loadTest(root) === undefined) return 'already set up';
  rmSync(places.binding, { force: true });

  const refusal = await tryOfficialDownload(places);
  if (refusal === undefined && loadTest(root) === undefined) return 'official download';

  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(
      `${refusal ?? 'the official download does not load'}, and there is no other libtensorflow for ${process.platform}-${process.arch}`,
    );
  }
  if (places.archive === undefined) throw new Error(`${refusal}, and tfjs-node-lambda-releases is not installed`);
  await checkArchive(places.archive);
  const scratch = await unpackArchive(places.archive, places.tfjsNode);
  let how = 'libtensorflow 1.15 from the registry, binding compiled';
  try {
    compileBinding(places, scratch);
  } catch (error) {
    mkdirSync(dirname(places.binding), { recursive: true });
    copyFileSync(join(scratch, 'lib', 'napi-v6', 'tfjs_binding.node'), places.binding);
    how = `libtensorflow 1.15 and its own binding from the registry (${firstLine(error)})`;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  const failure = loadTest(root);
  if (failure !== undefined) {
    // A binding that cannot be loaded must not stay: it could end the process of whoever tries it.
    rmSync(places.binding, { force: true });
    throw new Error(failure);
  }
  return how;
}

/** The first line of an error's message. */
export function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split('\n', 1)[0] ?? '';
}
