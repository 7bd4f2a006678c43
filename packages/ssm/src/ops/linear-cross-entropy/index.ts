export { linearCrossEntropy } from './linear-cross-entropy.ts';
export type { LinearCrossEntropyOptions } from './linear-cross-entropy.ts';
