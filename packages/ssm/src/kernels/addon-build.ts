import { KernelError } from '../errors/index.ts';

/**
 * Building and finding the Node-API addon. Node only: this file is loaded by `import()` from places that know they are in Node, and takes
 * Node's modules from `process.getBuiltinModule`, so that bundlers of pages see none.
 */

const ADDON_FILE = 'mamba360-kernels.node';
const COMPILE_FLAGS = ['-std=gnu11', '-O3', '-fPIC', '-fvisibility=hidden', '-fno-math-errno', '-fno-trapping-math', '-ffp-contract=off'];
const X64_LEVELS = ['v2', 'v3', 'v4'];

const fileSystem = () => process.getBuiltinModule('node:fs');
const paths = () => process.getBuiltinModule('node:path');

/** Folder of the C sources, shipped with this package. */
export function kernelSources(): string {
  const here = import.meta.url;
  return process.getBuiltinModule('node:url').fileURLToPath(new URL('../../kernels/', here));
}

function sourceNames(): string[] {
  return fileSystem().readdirSync(kernelSources()).filter((name) => /\.[ch]$/.test(name)).sort();
}

/** Hash of the sources and flags: an addon of another version of this package is never loaded. */
export function sourceHash(): string {
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256');
  for (const name of sourceNames()) hash.update(`${name}\0${fileSystem().readFileSync(paths().join(kernelSources(), name), 'utf8')}\0`);
  return hash.update(COMPILE_FLAGS.join(' ')).digest('hex').slice(0, 16);
}

/** Where the addon of these sources lies in the user's cache folder, built or not. */
export function cachedAddonPath(): string {
  const home = process.getBuiltinModule('node:os').homedir();
  const cache = process.env.XDG_CACHE_HOME || (process.platform === 'win32' ? process.env.LOCALAPPDATA : undefined) || paths().join(home, '.cache');
  return paths().join(cache, 'mamba360', 'kernels', `${sourceHash()}-${process.platform}-${process.arch}`, ADDON_FILE);
}

/** Folder of `node_api.h`: the package `node-api-headers`, or the headers that came with Node. */
function headerFolder(): string {
  const { existsSync } = fileSystem(), { join, dirname } = paths();
  const { createRequire } = process.getBuiltinModule('node:module');
  const starts = [kernelSources(), join(kernelSources(), '../../../tooling/kernels/'), join(process.cwd(), 'index.js')];
  for (const start of starts) {
    try {
      const folder = join(dirname(createRequire(join(start, 'index.js')).resolve('node-api-headers/package.json')), 'include');
      if (existsSync(join(folder, 'node_api.h'))) return folder;
    } catch {
      // Not installed there; the next place may have it.
    }
  }
  const beside = join(dirname(process.execPath), '..', 'include', 'node');
  if (existsSync(join(beside, 'node_api.h'))) return beside;
  throw new KernelError('The addon needs the header node_api.h, which was found neither in the package node-api-headers nor beside Node. Run `npm i -D node-api-headers` and try again.');
}

function compiler(): string {
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  for (const name of [process.env.CC, 'cc', 'gcc', 'clang']) {
    if (name && spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0) return name;
  }
  throw new KernelError('The addon needs a C compiler; looked for $CC, cc, gcc and clang. Install one (Debian: `apt install gcc`, macOS: `xcode-select --install`), or go on with the WebAssembly kernels, which need nothing.');
}

async function compile(command: string, args: string[]): Promise<void> {
  const { spawn } = process.getBuiltinModule('node:child_process');
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => { errors += chunk.toString(); });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (status !== 0) throw new KernelError(`The addon did not compile (${command} ended with ${status}): ${errors.split('\n').slice(0, 12).join('\n')}`);
}

export interface BuildReport {
  readonly path: string;
  /** False where the cache already had it. */
  readonly built: boolean;
  readonly milliseconds: number;
}

/**
 * Compiles the addon into the user's cache folder, where the lookup of `loadKernelTarget` finds it. Does nothing where it is there already.
 *
 * @param options.force - Build even so. Default false.
 * @param options.output - Write the addon to this path instead (for a prebuilt package).
 * @throws KernelError if there is no compiler, no header, or the build does not load.
 */
export async function buildAddon(options: { force?: boolean; output?: string } = {}): Promise<BuildReport> {
  const { existsSync, mkdirSync, mkdtempSync, rmSync, renameSync, copyFileSync } = fileSystem(), { join, dirname } = paths();
  if (process.platform === 'win32') throw new KernelError('The addon is not built on Windows (its thread pool uses POSIX threads). The WebAssembly kernels serve there.');
  const path = options.output ?? cachedAddonPath(), started = performance.now();
  if (existsSync(path) && !options.force) return { path, built: false, milliseconds: performance.now() - started };
  const command = compiler(), headers = headerFolder(), sources = kernelSources();
  mkdirSync(dirname(path), { recursive: true });
  const work = mkdtempSync(join(dirname(path), '.build-'));
  try {
    const levels = process.arch === 'x64' ? X64_LEVELS : ['base'];
    const objects = levels.map((level) => join(work, `kernels-${level}.o`));
    for (const [i, level] of levels.entries()) {
      const machine = level === 'base' ? [] : [`-march=x86-64-${level}`];
      await compile(command, [...COMPILE_FLAGS, ...machine, `-DMAMBA360_SUFFIX=${level}`, '-c', join(sources, 'kernels.c'), '-o', objects[i] as string]);
    }
    const addonObject = join(work, 'addon.o'), output = join(work, ADDON_FILE);
    await compile(command, ['-std=gnu11', '-O2', '-fPIC', '-fvisibility=hidden', '-pthread', `-I${headers}`, '-c', join(sources, 'addon.c'), '-o', addonObject]);
    const link = process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared'];
    await compile(command, [...link, '-pthread', addonObject, ...objects, '-o', output]);
    // Complete or not there: a second process that builds at the same time only replaces it by the same.
    if (options.output) copyFileSync(output, path);
    else renameSync(output, path);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { path, built: true, milliseconds: performance.now() - started };
}
