export { checkSampling, sample } from './sample.ts';
export type { Sampled, SamplingOptions } from './sample.ts';
export { watchFor } from './stop-strings.ts';
export type { StopWatch } from './stop-strings.ts';
