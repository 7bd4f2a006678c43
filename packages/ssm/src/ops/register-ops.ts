import { registerAdamW } from './adam-w/adam-w.ts';
import { attend } from './attention/kernel.ts';
import { convolution } from './causal-conv1d/kernel.ts';
import { affineMap } from './linear/kernel.ts';
import { crossEntropy } from './linear-cross-entropy/kernel.ts';
import { gatedAttention } from './gated-linear-attention/kernel.ts';
import { longConvolution } from './fft-convolution/kernel.ts';
import { complexLinearScan, realLinearScan } from './linear-scan/kernel.ts';
import { experts } from './mixture-of-experts/kernel.ts';
import { trapezoidalScan } from './mamba3-scan/kernel.ts';
import { recurrence } from './nonlinear-scan/kernel.ts';
import { normalisation } from './rms-norm/kernel.ts';
import { complexScan, realScan } from './selective-scan/kernel.ts';
import { weightedMean } from './wkv4/kernel.ts';
import { stateSpaceDual } from './ssd-scan/kernel.ts';
import { cauchyProduct } from './cauchy/kernel.ts';
import { dplrKernel } from './dplr-kernel/kernel.ts';
import { legsMemoryScan } from './legs-scan/kernel.ts';
import { stateSpace } from './state-space-scan/kernel.ts';
import { modesKernel } from './vandermonde/kernel.ts';

/**
 * Registers the kernels and gradients of every op with tfjs. Each op does so by itself at its first call; this is for code that lists or
 * loads registered kernels, such as a graph model. May be called any number of times.
 */
export function registerOps(): void {
  for (const operation of [realScan, complexScan, convolution, longConvolution, affineMap, normalisation, recurrence, crossEntropy, stateSpaceDual, gatedAttention, weightedMean, realLinearScan, complexLinearScan, attend, experts, trapezoidalScan]) operation.register();
  for (const operation of [modesKernel, cauchyProduct, dplrKernel, stateSpace, legsMemoryScan]) operation.register();
  registerAdamW();
}
