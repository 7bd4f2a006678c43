export { GAPS } from './capabilities.ts';
export type { Gap } from './capabilities.ts';
export { fillGaps } from './gaps/fill-gaps.ts';
export { kernelTargetOf } from './kernel-registry.ts';
export type { KernelBackendName } from './kernel-registry.ts';
export { tf } from './tensorflow.ts';
export { useBackend } from './use-backend.ts';
export type { BackendName, BackendReport, KernelChoice, UseBackendOptions } from './use-backend.ts';
