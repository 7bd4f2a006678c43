import { causalConv1d } from './causal-conv1d.ts';
import { nonlinearScan } from './nonlinear-scan.ts';
import type { OperationBenchmark } from './operation.ts';
import { rmsNorm } from './rms-norm.ts';
import { selectiveScan } from './selective-scan.ts';
import { ssdScan } from './ssd-scan.ts';

/** Every op of the benchmark, in the order of its tables. */
export const OPERATIONS: readonly OperationBenchmark[] = [selectiveScan, ssdScan, causalConv1d, nonlinearScan, rmsNorm];
export type { OperationBenchmark, Size, TensorForms, Work } from './operation.ts';
