import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';

/** Of `nodejs12.x-tf2.7.0.br` in tfjs-node-lambda-releases 1.6.1. */
export const ARCHIVE_SHA256 = '81a3002830b84dd1fabb921541e81cf35ce41004855e3e4c531e8557d0cc0f2c';

const INSIDE = 'node_modules/@tensorflow/tfjs-node/';

interface Tar {
  x(options: { cwd: string; strip: number; filter: (path: string) => boolean }): NodeJS.WritableStream;
}

/** @throws Error if the file's SHA-256 is another one. */
export async function checkArchive(archive: string, expected: string = ARCHIVE_SHA256): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(archive), hash);
  const actual = hash.digest('hex');
  if (actual !== expected) throw new Error(`the archive has SHA-256 ${actual}, expected ${expected}`);
}

/**
 * Unpacks the archive's `deps/` into tfjs-node, and its binding (sources and compiled) into a scratch folder.
 *
 * @returns the scratch folder, holding `binding/` and `lib/`; the caller removes it.
 */
export async function unpackArchive(archive: string, tfjsNode: string): Promise<string> {
  const scratch = join(tfjsNode, `.setup-${process.pid}`);
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true });
  const tar = createRequire(join(tfjsNode, 'package.json'))('tar') as Tar;
  const wanted = (path: string): boolean => {
    const inside = path.replace(/^\.\//, '');
    return ['deps/', 'binding/', 'lib/napi-v6/'].some((folder) => inside.startsWith(INSIDE + folder));
  };
  await pipeline(createReadStream(archive), createBrotliDecompress(), tar.x({ cwd: scratch, strip: 3, filter: wanted }));
  const deps = join(tfjsNode, 'deps');
  if (existsSync(deps)) rmSync(deps, { recursive: true, force: true });
  renameSync(join(scratch, 'deps'), deps);
  return scratch;
}
