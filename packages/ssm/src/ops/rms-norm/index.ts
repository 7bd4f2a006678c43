export { rmsNorm } from './rms-norm.ts';
export type { RmsNormOptions } from './rms-norm.ts';
