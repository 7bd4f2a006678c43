import { BackendError } from '../errors/index.ts';
import type { KernelTarget } from '../kernels/target.ts';
import type { KernelBackendName } from './kernel-registry.ts';

export type KernelChoice = 'auto' | 'addon' | 'wasm-relaxed' | 'wasm-simd' | KernelTarget;

export interface KernelOptions {
  readonly deterministic: boolean;
  readonly threads: number | undefined;
  readonly kernels: KernelChoice;
}

export async function chooseKernels(_backend: KernelBackendName, options: KernelOptions, reasons: string[]): Promise<KernelTarget> {
  if (typeof options.kernels === 'object') {
    reasons.push(`kernels: the ${options.kernels.name} target was handed in.`);
    return options.kernels;
  }
  throw new BackendError('no compiled kernels yet');
}
