import { BackendError } from '../errors/index.ts';
import type { KernelTarget } from '../kernels/target.ts';

/** The tfjs backends that can run compiled kernels. */
export const KERNEL_BACKENDS = ['tensorflow', 'wasm', 'cpu'] as const;
export type KernelBackendName = (typeof KERNEL_BACKENDS)[number];

const targets = new Map<string, KernelTarget>();

/** Makes `target` the one that ops run on under the tfjs backend `backendName`. */
export function setKernelTarget(backendName: KernelBackendName, target: KernelTarget): void {
  targets.set(backendName, target);
}

/** The target that `useBackend` chose for a tfjs backend, or null where it was never called for that one. */
export function kernelTargetOf(backendName: string): KernelTarget | null {
  return targets.get(backendName) ?? null;
}

/** As `kernelTargetOf`, for those who cannot go on without. */
export function requireKernelTarget(backendName: string): KernelTarget {
  const target = targets.get(backendName);
  if (target) return target;
  const known = (KERNEL_BACKENDS as readonly string[]).includes(backendName);
  throw new BackendError(known
    ? `No kernels are loaded for the tfjs backend '${backendName}'. Loading takes a moment and ops are synchronous, so call \`await useBackend('${backendName}')\` (from @mamba360/ssm/backend) first.`
    : `The tfjs backend '${backendName}' has no kernels, expected one of ${KERNEL_BACKENDS.join(', ')}. Call \`await useBackend('auto')\` (from @mamba360/ssm/backend).`);
}
