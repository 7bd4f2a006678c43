/**
 * Compiles the kernels to WebAssembly and writes them, as base64, into packages/ssm/src/kernels/embedded.
 *
 *   node tooling/kernels/build-wasm.mjs           build and write
 *   node tooling/kernels/build-wasm.mjs --check   exit 1 when the embedded builds are not those of the sources
 */
import { runClang } from '@yowasp/clang';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { checkModule } from './wasm-sections.mjs';

const ROOT = fileURLToPath(new URL('../../packages/ssm/', import.meta.url));
const SOURCES = `${ROOT}kernels/`;
const TARGET = `${ROOT}src/kernels/embedded/`;

const COMMON = [
  '--target=wasm32-unknown-unknown', '-std=c11', '-O3', '-fno-math-errno', '-fno-trapping-math', '-ffp-contract=off', '-Wall', '-Wextra', '-Werror',
  '-msimd128', '-mbulk-memory', '-nostdlib', '-Wl,--no-entry', '-Wl,--import-memory', '-Wl,--export=__stack_pointer', '-Wl,--strip-all',
  '-Wl,--initial-memory=131072', '-Wl,-z,stack-size=65536',
];
const SHARED = ['-matomics', '-Wl,--shared-memory', '-Wl,--max-memory=4294967296'];
const VARIANTS = {
  simd: [],
  'simd-shared': SHARED,
  relaxed: ['-mrelaxed-simd'],
  'relaxed-shared': ['-mrelaxed-simd', ...SHARED],
};

function readSources() {
  const names = readdirSync(SOURCES).filter((name) => /\.[ch]$/.test(name) && name !== 'addon.c').sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(SOURCES + name, 'utf8')]));
}

function hashOf(sources, flags) {
  const hash = createHash('sha256');
  for (const [name, text] of Object.entries(sources)) hash.update(`${name}\0${text}\0`);
  return hash.update(JSON.stringify(flags)).digest('hex').slice(0, 32);
}

function generatedModule(name, hash, bytes) {
  return `// Written by tooling/kernels/build-wasm.mjs from packages/ssm/kernels; do not edit.\n`
    + `/** Hash of the sources and flags this build was made from. */\nexport const SOURCE_HASH = '${hash}';\n`
    + `/** ${bytes.length} bytes of WebAssembly (${name}), base64. */\nexport const BASE64 = '${Buffer.from(bytes).toString('base64')}';\n`;
}

function workerModule() {
  const text = readFileSync(`${SOURCES}worker.js`, 'utf8');
  return `// Written by tooling/kernels/build-wasm.mjs from packages/ssm/kernels/worker.js; do not edit.\nexport const WORKER_SOURCE = ${JSON.stringify(text)};\n`;
}

async function build(name, sources, flags) {
  let output;
  try {
    output = await runClang(['clang', ...flags, 'kernels.c', '-o', 'kernels.wasm'], sources);
  } catch {
    // The compiler has printed what is wrong; its error object holds every source.
    throw new Error(`${name}: the kernels do not compile.`);
  }
  const bytes = output['kernels.wasm'];
  checkModule(name, bytes);
  return bytes;
}

const sources = readSources();
const stale = [];
mkdirSync(TARGET, { recursive: true });
for (const [name, extra] of Object.entries(VARIANTS)) {
  const flags = [...COMMON, ...extra], hash = hashOf(sources, flags), file = `${TARGET}${name}.generated.ts`;
  let current = '';
  try { current = readFileSync(file, 'utf8'); } catch {}
  if (current.includes(`SOURCE_HASH = '${hash}'`)) continue;
  if (process.argv.includes('--check')) { stale.push(name); continue; }
  const started = Date.now(), bytes = await build(name, sources, flags);
  writeFileSync(file, generatedModule(name, hash, bytes));
  console.log(`${name}: ${bytes.length} bytes, ${Date.now() - started} ms`);
}
const workerFile = `${TARGET}worker.generated.ts`, worker = workerModule();
let currentWorker = '';
try { currentWorker = readFileSync(workerFile, 'utf8'); } catch {}
if (currentWorker !== worker) {
  if (process.argv.includes('--check')) stale.push('worker');
  else writeFileSync(workerFile, worker);
}
if (stale.length > 0) {
  console.error(`Embedded kernels are stale: ${stale.join(', ')}. Run: node tooling/kernels/build-wasm.mjs`);
  process.exitCode = 1;
}
