export { checkSampling, sample } from './sample.ts';
export type { Sampled, SamplingOptions } from './sample.ts';
