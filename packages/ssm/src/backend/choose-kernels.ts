import { ConfigError } from '../errors/index.ts';
import { createWasmTarget, hasRelaxedSimd, loadKernelTarget } from '../kernels/index.ts';
import type { KernelReport, KernelTarget } from '../kernels/index.ts';
import type { KernelBackendName } from './kernel-registry.ts';
import type { WasmBackend } from './tensor-access.ts';
import { tf } from './tensorflow.ts';

const NAMED = ['auto', 'addon', 'wasm-relaxed', 'wasm-simd'] as const;

/** A target by name, or one made by hand. */
export type KernelChoice = (typeof NAMED)[number] | KernelTarget;

export interface KernelOptions {
  readonly deterministic: boolean;
  readonly threads: number | undefined;
  readonly kernels: KernelChoice;
  readonly keepMemory: boolean;
}

interface Loaded { readonly target: KernelTarget; readonly report: KernelReport }

/** Targets live as long as the process: their threads and their compiled code are worth keeping. */
const loaded = new Map<string, Promise<Loaded>>();
const onHeap = new WeakMap<object, Map<string, Promise<KernelTarget>>>();

function load(name: (typeof NAMED)[number], { threads, keepMemory }: KernelOptions): Promise<Loaded> {
  const key = `${name} ${threads ?? 'default'} ${keepMemory}`;
  const known = loaded.get(key);
  if (known) return known;
  const promise = loadKernelTarget({ target: name, threads, keepMemory });
  loaded.set(key, promise);
  promise.catch(() => loaded.delete(key));
  return promise;
}

/** The wasm kernels on tfjs' own memory, so that nothing is copied. One thread, because that memory is not shared. */
function loadOnHeap(variant: 'simd' | 'relaxed'): Promise<KernelTarget> {
  const backend = tf.backend() as WasmBackend;
  const targets = onHeap.get(backend) ?? new Map<string, Promise<KernelTarget>>();
  onHeap.set(backend, targets);
  const known = targets.get(variant);
  if (known) return known;
  const { wasm } = backend;
  const promise = createWasmTarget({
    variant, memory: wasm.asm.memory, allocate: (bytes) => wasm._malloc(bytes), free: (address) => wasm._free(address),
  });
  targets.set(variant, promise);
  promise.catch(() => targets.delete(variant));
  return promise;
}

const isShared = (memory: WebAssembly.Memory): boolean =>
  typeof SharedArrayBuffer !== 'undefined' && memory.buffer instanceof SharedArrayBuffer;

/**
 * The kernels for a tfjs backend that was just started. `reasons` gets a sentence for every choice.
 *
 * The addon works on the memory of every backend. The WebAssembly kernels, under the backend 'wasm', move into tfjs' own memory.
 */
export async function chooseKernels(backend: KernelBackendName, options: KernelOptions, reasons: string[]): Promise<KernelTarget> {
  const { kernels, deterministic, threads } = options;
  if (typeof kernels === 'object') {
    reasons.push(`kernels: the target '${kernels.name}' was handed in.`);
    return kernels;
  }
  if (!NAMED.includes(kernels)) throw new ConfigError(`useBackend: kernels is '${String(kernels)}', expected ${NAMED.join(', ')} or a target. Leave it out for auto.`);
  if (deterministic && kernels !== 'auto' && kernels !== 'wasm-simd') {
    throw new ConfigError(`useBackend: deterministic was asked for together with kernels '${kernels}', expected 'wasm-simd' or 'auto'. Leave one of them out.`);
  }
  const wanted = deterministic ? 'wasm-simd' : kernels;
  if (deterministic) reasons.push('kernels: wasm-simd, because `deterministic` asks for the same bits on every machine.');
  if (backend !== 'wasm' || wanted === 'addon') {
    const { target, report } = await load(wanted, options);
    reasons.push(...report.reasons);
    return target;
  }
  if (wanted === 'auto') {
    const { target, report } = await load('auto', options);
    reasons.push(...report.reasons);
    if (target.name === 'addon') return target;
  }
  // On tfjs' memory the build is compiled without a look at the engine: the loader's error says what is missing.
  if (wanted === 'wasm-relaxed' && !hasRelaxedSimd()) return (await load(wanted, options)).target;
  if (isShared((tf.backend() as WasmBackend).wasm.asm.memory)) {
    reasons.push('kernels: on a memory of their own with copies in and out, because tfjs runs its threaded build here.');
    return (await load(wanted, options)).target;
  }
  const relaxed = wanted === 'wasm-relaxed' || (wanted === 'auto' && hasRelaxedSimd());
  const target = await loadOnHeap(relaxed ? 'relaxed' : 'simd');
  if ((threads ?? 1) > 1) reasons.push("threads: one, because the kernels work on tfjs' own memory, which is not shared. The addon or the backend 'cpu' uses more.");
  return target;
}
