import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { include_dir as nodeApiHeaders } from 'node-api-headers';
import type { Places } from './locate.ts';
import { mergeBindingSources } from './merge-binding-sources.ts';

/**
 * Compiles tfjs-node's own binding against the unpacked libtensorflow.
 *
 * @param scratch - Folder of `unpackArchive`, with the older `binding/`.
 * @throws Error if there is no C++ compiler or the sources do not compile.
 */
export function compileBinding({ tfjsNode, napiVersion, binding }: Places, scratch: string): void {
  const sources = join(scratch, 'sources');
  cpSync(join(tfjsNode, 'binding'), sources, { recursive: true });
  const backend = join(sources, 'tfjs_backend.cc');
  const merged = mergeBindingSources(readFileSync(backend, 'utf8'), readFileSync(join(scratch, 'binding', 'tfjs_backend.cc'), 'utf8'));
  rmSync(backend);
  writeFileSync(backend, merged);

  const deps = join(tfjsNode, 'deps');
  const built = join(scratch, 'tfjs_binding.node');
  execFileSync(
    process.env.CXX ?? 'g++',
    [
      '-std=c++17 -O2 -fPIC -shared'.split(' '),
      `-DNAPI_VERSION=${napiVersion}`,
      ['-I', nodeApiHeaders, '-I', join(deps, 'include'), '-I', sources],
      [backend, join(sources, 'tfjs_binding.cc'), '-o', built],
      ['-L', join(deps, 'lib'), '-ltensorflow', '-ltensorflow_framework'],
      // nodelete: unmapping the library when a worker thread ends crashes the process.
      ['-Wl,-rpath,$ORIGIN/../../deps/lib', '-Wl,-z,nodelete'],
    ].flat(),
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  mkdirSync(dirname(binding), { recursive: true });
  renameSync(built, binding);
}
