export { benchKernels } from './kernels/bench-kernels.ts';
export type { BenchOptions, BenchReport, TargetResult } from './kernels/bench-kernels.ts';
export { measureInTurns, median } from './kernels/measure.ts';
export { scanCalls } from './kernels/scan-calls.ts';
