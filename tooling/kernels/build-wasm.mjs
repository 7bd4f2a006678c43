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

// With atomics in every object, one compilation serves the build for plain and the one for shared memory; they differ when linked.
const COMPILE = [
  '--target=wasm32-unknown-unknown', '-std=c11', '-O3', '-fno-math-errno', '-fno-trapping-math', '-ffp-contract=off', '-Wall', '-Wextra', '-Werror',
  '-msimd128', '-mbulk-memory', '-matomics', '-c',
];
const LINK = [
  '--target=wasm32-unknown-unknown', '-nostdlib', '-Wl,--no-entry', '-Wl,--import-memory', '-Wl,--export=__stack_pointer', '-Wl,--strip-all',
  '-Wl,--initial-memory=131072', '-Wl,-z,stack-size=65536',
];
const SHARED = ['-Wl,--shared-memory', '-Wl,--max-memory=4294967296'];
const VARIANTS = {
  simd: { compile: [], link: [] },
  'simd-shared': { compile: [], link: SHARED },
  relaxed: { compile: ['-mrelaxed-simd'], link: [] },
  'relaxed-shared': { compile: ['-mrelaxed-simd'], link: SHARED },
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

/** Runs clang on files held in memory; its errors are printed by itself, and its error object holds every source. */
async function clang(name, flags, files, output) {
  try {
    return (await runClang(['clang', ...flags, ...Object.keys(files).filter((file) => /^kernels\.[co]$/.test(file)), '-o', output], files))[output];
  } catch {
    throw new Error(`${name}: the kernels do not compile.`);
  }
}

const objects = new Map();

async function build(name, sources, { compile, link }) {
  const key = compile.join(' ');
  if (!objects.has(key)) objects.set(key, await clang(name, [...COMPILE, ...compile], sources, 'kernels.o'));
  const bytes = await clang(name, [...LINK, ...link], { 'kernels.o': objects.get(key) }, 'kernels.wasm');
  checkModule(name, bytes);
  return bytes;
}

const sources = readSources();
const stale = [];
mkdirSync(TARGET, { recursive: true });
for (const [name, variant] of Object.entries(VARIANTS)) {
  const hash = hashOf(sources, [COMPILE, LINK, variant]), file = `${TARGET}${name}.generated.ts`;
  let current = '';
  try { current = readFileSync(file, 'utf8'); } catch {}
  if (current.includes(`SOURCE_HASH = '${hash}'`)) continue;
  if (process.argv.includes('--check')) { stale.push(name); continue; }
  const started = Date.now(), bytes = await build(name, sources, variant);
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
