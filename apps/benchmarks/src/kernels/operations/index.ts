import { causalConv1d } from './causal-conv1d.ts';
import { fftConvolution } from './fft-convolution.ts';
import { gatedLinearAttention } from './gated-linear-attention.ts';
import { linearScan } from './linear-scan.ts';
import { nonlinearScan } from './nonlinear-scan.ts';
import type { OperationBenchmark } from './operation.ts';
import { rmsNorm } from './rms-norm.ts';
import { selectiveScan } from './selective-scan.ts';
import { ssdScan } from './ssd-scan.ts';
import { wkv4 } from './wkv4.ts';

/** Every op of the benchmark, in the order of its tables. */
export const OPERATIONS: readonly OperationBenchmark[] = [selectiveScan, ssdScan, gatedLinearAttention, wkv4, linearScan, fftConvolution, causalConv1d, nonlinearScan, rmsNorm];
export type { OperationBenchmark, Size, TensorForms, Work } from './operation.ts';
