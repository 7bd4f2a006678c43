import { KernelError } from '../errors/index.ts';

export type WasmVariant = 'simd' | 'relaxed';

/** Where the bytes of a build come from: embedded in this package (default), a URL, or what the caller has. */
export interface WasmSource {
  /** Address of a `.wasm` file written from `kernelBytes`, for pages whose policy or bundler wants a file. */
  readonly wasmUrl?: string | URL | undefined;
  readonly wasmModule?: WebAssembly.Module | undefined;
}

/** Functions of a kernel module. */
export interface WasmExports {
  plan(kernel: number, call: number, plan: number): number;
  run(kernel: number, phase: number, begin: number, end: number, call: number, workspace: number, scratch: number): void;
  readonly __stack_pointer: WebAssembly.Global;
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

/** The WebAssembly build of a variant as bytes, for those who serve it as a file (`wasmUrl`). `shared`: for shared memory, with threads. */
export async function kernelBytes(variant: WasmVariant, shared = false): Promise<Uint8Array<ArrayBuffer>> {
  if (variant === 'simd') return decodeBase64(shared ? (await import('./embedded/simd-shared.generated.ts')).BASE64 : (await import('./embedded/simd.generated.ts')).BASE64);
  return decodeBase64(shared ? (await import('./embedded/relaxed-shared.generated.ts')).BASE64 : (await import('./embedded/relaxed.generated.ts')).BASE64);
}

const compiled = new Map<string, Promise<WebAssembly.Module>>();

async function fetchModule(url: string | URL): Promise<WebAssembly.Module> {
  const response = await fetch(url);
  if (!response.ok) throw new KernelError(`The kernels at ${String(url)} answered ${response.status}, expected a .wasm file. Check \`wasmUrl\`, or leave it out to use the embedded build.`);
  return WebAssembly.compile(await response.arrayBuffer());
}

/** Compiles a build once per process. */
export function loadWasmModule(variant: WasmVariant, shared: boolean, source: WasmSource): Promise<WebAssembly.Module> {
  if (source.wasmModule) return Promise.resolve(source.wasmModule);
  const key = `${variant} ${shared} ${String(source.wasmUrl ?? '')}`;
  let module = compiled.get(key);
  if (!module) {
    module = source.wasmUrl ? fetchModule(source.wasmUrl) : kernelBytes(variant, shared).then((bytes) => WebAssembly.compile(bytes));
    compiled.set(key, module);
    module.catch(() => compiled.delete(key));
  }
  return module;
}

/** Smallest modules that use one SIMD and one relaxed SIMD instruction. */
const SIMD_PROBE = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
const RELAXED_PROBE = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0, 65, 0, 253, 15, 65, 0, 253, 15, 65, 0, 253, 15, 253, 133, 2, 11];

/** Does this engine run the plain SIMD build? */
export const hasSimd = (): boolean => typeof WebAssembly === 'object' && WebAssembly.validate(new Uint8Array(SIMD_PROBE));
/** Does this engine run the relaxed SIMD build? */
export const hasRelaxedSimd = (): boolean => typeof WebAssembly === 'object' && WebAssembly.validate(new Uint8Array(RELAXED_PROBE));
