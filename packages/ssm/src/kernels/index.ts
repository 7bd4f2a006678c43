export type { KernelBuffer, KernelCall, KernelMemory, KernelTarget, TargetName } from './target.ts';
export { SIGNATURES } from './signatures.ts';
export type { KernelName } from './signatures.ts';
