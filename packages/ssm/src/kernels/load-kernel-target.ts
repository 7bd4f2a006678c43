import { KernelError } from '../errors/index.ts';
import { createAddonTarget, defaultThreads } from './addon-target.ts';
import type { Addon } from './addon-target.ts';
import type { KernelTarget, TargetName } from './target.ts';
import { hasRelaxedSimd, hasSimd } from './wasm-module.ts';
import { createWasmTarget } from './wasm-target.ts';
import { mayUseThreads } from './wasm-threads.ts';

export interface LoadKernelOptions {
  /** `auto` (default): addon, else relaxed WebAssembly, else plain WebAssembly. A name asks for that one only. */
  readonly target?: 'auto' | 'addon' | 'wasm-relaxed' | 'wasm-simd';
  /** Only the plain SIMD WebAssembly build, whose results are the same on every machine. */
  readonly deterministic?: boolean;
  /** Threads, the caller included. Default: the processors, at most 8; 1 on a page's main thread. */
  readonly threads?: number | undefined;
  /** A lesser instruction set of the addon, for comparisons. */
  readonly instructionSet?: string | undefined;
  /** Addon on glibc: whether the process keeps freed memory for its next arrays, see `UseBackendOptions`. Default: true. */
  readonly keepMemory?: boolean | undefined;
  readonly wasmUrl?: string | URL;
  readonly workerUrl?: string | URL;
}

/** What was loaded, and why nothing better. */
export interface KernelReport {
  readonly target: TargetName;
  readonly instructionSet: string;
  readonly threads: number;
  /** One sentence for each better choice that was passed over: why, and what to do about it. */
  readonly reasons: readonly string[];
}

const isNode = (): boolean => typeof process === 'object' && typeof process.versions?.node === 'string';

/** The prebuilt package of this platform, such as `@mamba360/kernels-linux-x64`. */
export const prebuiltPackage = (): string => `@mamba360/kernels-${process.platform}-${process.arch}`;

/** The addon from the prebuilt package or the cache folder; null with reasons where there is none. */
async function findAddon(reasons: string[]): Promise<Addon | null> {
  const { createRequire } = process.getBuiltinModule('node:module');
  const require = createRequire(import.meta.url);
  try {
    return require(prebuiltPackage()) as Addon;
  } catch (error) {
    if ((error as { code?: string }).code !== 'MODULE_NOT_FOUND') reasons.push(`addon: the package ${prebuiltPackage()} does not load (${firstLine(error)}). Install it again.`);
  }
  const { cachedAddonPath } = await import('./addon-build.ts');
  let path = '';
  try {
    path = cachedAddonPath();
    if (!process.getBuiltinModule('node:fs').existsSync(path)) {
      reasons.push(`addon: neither the package ${prebuiltPackage()} nor a build in the cache folder was found. \`mamba360 kernels build\` makes one (it needs a C compiler).`);
      return null;
    }
    return require(path) as Addon;
  } catch (error) {
    reasons.push(`addon: the build at ${path} does not load (${firstLine(error)}). \`mamba360 kernels build --force\` makes it again.`);
    return null;
  }
}

const firstLine = (error: unknown): string => String((error as Error)?.message ?? error).split('\n')[0] as string;

function reportOf(target: KernelTarget, reasons: readonly string[]): { target: KernelTarget; report: KernelReport } {
  return { target, report: { target: target.name, instructionSet: target.instructionSet, threads: target.threads, reasons } };
}

/**
 * Loads the best kernels this process can have, and says why not better ones. Nothing is built or downloaded.
 *
 * @returns `target`, which the caller disposes, and `report`.
 * @throws KernelError if the target asked for by name is not there, or the engine has no WebAssembly SIMD.
 */
export async function loadKernelTarget(options: LoadKernelOptions = {}): Promise<{ target: KernelTarget; report: KernelReport }> {
  const wanted = options.deterministic ? 'wasm-simd' : (options.target ?? 'auto'), reasons: string[] = [];
  if (options.deterministic) reasons.push('addon and relaxed WebAssembly: not considered, because `deterministic` asks for the same bits on every machine.');
  if (wanted === 'auto' || wanted === 'addon') {
    if (isNode()) {
      const addon = await findAddon(reasons);
      if (addon) return reportOf(createAddonTarget(addon, options), reasons);
    } else reasons.push('addon: only Node can load it.');
    if (wanted === 'addon') throw new KernelError(`The kernel target 'addon' was asked for and is not there. ${reasons.join(' ')}`);
  }
  if (!hasSimd()) throw new KernelError('This engine has no WebAssembly SIMD, which the kernels need. Use Node 20.19 or newer, or a browser of 2021 or newer (Safari: 16.4).');
  let threads = options.threads ?? defaultThreads();
  if (threads > 1 && !mayUseThreads()) {
    reasons.push('threads: one, because this is a page\'s main thread or the page is not cross-origin isolated. Run the model in a Web Worker and serve the page with COOP and COEP headers.');
    threads = 1;
  }
  const shared = { threads, ...(options.wasmUrl ? { wasmUrl: options.wasmUrl } : {}), ...(options.workerUrl ? { workerUrl: options.workerUrl } : {}) };
  if (wanted === 'auto' || wanted === 'wasm-relaxed') {
    if (hasRelaxedSimd()) return reportOf(await createWasmTarget({ variant: 'relaxed', ...shared }), reasons);
    reasons.push(`wasm-relaxed: this engine has no relaxed SIMD${isNode() ? ` (Node ${process.versions.node}; Node 22 has it)` : ''}.`);
    if (wanted === 'wasm-relaxed') throw new KernelError(`The kernel target 'wasm-relaxed' was asked for and is not there. ${reasons.join(' ')}`);
  }
  return reportOf(await createWasmTarget({ variant: 'simd', ...shared }), reasons);
}
