import type { MatrixBackend } from './backend-matrix.ts';

/** A tfjs backend together with the kernels that serve it. */
export interface KernelVariant { readonly label: string; readonly name: MatrixBackend; readonly kernels: 'auto' | 'wasm-simd' }

/** Each backend with its best kernels, and wasm also with the kernels that live on its own heap, which browsers get. */
export function kernelVariants(backends: readonly MatrixBackend[]): KernelVariant[] {
  return backends.flatMap((name) => [
    { label: name, name, kernels: 'auto' as const },
    ...(name === 'wasm' ? [{ label: 'wasm on its own heap', name, kernels: 'wasm-simd' as const }] : []),
  ]);
}

interface Call { readonly outputs: readonly (object | null)[] }
interface Target<C extends Call> { run(call: C): void }

/** The same target, but every output holds NaN before a kernel writes it: an element left out shows. */
export function poisonOutputs<C extends Call, T extends Target<C>>(target: T): T {
  return new Proxy(target, {
    get(object, key) {
      if (key !== 'run') {
        const value: unknown = Reflect.get(object, key, object);
        return typeof value === 'function' ? value.bind(object) as unknown : value;
      }
      return (call: C): void => {
        for (const output of call.outputs) (output as Float32Array | null)?.fill(Number.NaN);
        object.run(call);
      };
    },
  });
}
