export { adamWUpdate, clipScale, globalNorm } from './adam-w/index.ts';
export type { AdamWOptions, AdamWSlot } from './adam-w/index.ts';
export { attention, attentionStep } from './attention/index.ts';
export type { AttentionOptions, AttentionResult, AttentionState, AttentionStepOptions, RotaryOptions } from './attention/index.ts';
export { causalConv1d, causalConv1dStep } from './causal-conv1d/index.ts';
export type { CausalConv1dOptions, CausalConv1dResult, CausalConv1dStepOptions } from './causal-conv1d/index.ts';
export { cauchy } from './cauchy/index.ts';
export type { CauchyOptions } from './cauchy/index.ts';
export { bidirectionalFftConvolution, fftConvolution, fftConvolution2d, fftConvolutionStep } from './fft-convolution/index.ts';
export type {
  BidirectionalFftConvolutionOptions, FftConvolution2dOptions, FftConvolutionMethod, FftConvolutionOptions, FftConvolutionResult, FftConvolutionStepOptions,
} from './fft-convolution/index.ts';
export type { ComplexTensor } from './common/complex-tensor.ts';
export { controlBytes } from './common/control.ts';
export type { SequenceOptions } from './common/control.ts';
export { createReferenceTarget } from './common/reference-target.ts';
export { gatedLinearAttention, gatedLinearAttentionStep } from './gated-linear-attention/index.ts';
export type {
  GatedLinearAttentionOptions, GatedLinearAttentionResult, GatedLinearAttentionState, GatedLinearAttentionStepOptions,
} from './gated-linear-attention/index.ts';
export { legsScan, legsScanStep } from './legs-scan/index.ts';
export type { LegsScanOptions, LegsScanResult, LegsState } from './legs-scan/index.ts';
export { linear } from './linear/index.ts';
export { linearCrossEntropy } from './linear-cross-entropy/index.ts';
export type { LinearCrossEntropyOptions } from './linear-cross-entropy/index.ts';
export { linearScan, linearScanStep } from './linear-scan/index.ts';
export type { LinearScanOptions, LinearScanResult } from './linear-scan/index.ts';
export { mixtureOfExperts } from './mixture-of-experts/index.ts';
export type { ExpertWeights, MixtureOfExpertsOptions, MixtureOfExpertsResult } from './mixture-of-experts/index.ts';
export { mamba3Scan, mamba3ScanStep } from './mamba3-scan/index.ts';
export type { Mamba3ScanInputs, Mamba3ScanOptions, Mamba3ScanResult, Mamba3ScanState, Mamba3ScanStepOptions } from './mamba3-scan/index.ts';
export { nonlinearScan, nonlinearScanStep } from './nonlinear-scan/index.ts';
export type { NonlinearScanOptions, NonlinearScanResult, NonlinearScanStepOptions, NonlinearState, RecurrentKind } from './nonlinear-scan/index.ts';
export { registerOps } from './register-ops.ts';
export { rmsNorm } from './rms-norm/index.ts';
export type { RmsNormOptions } from './rms-norm/index.ts';
export { selectiveScan, selectiveScanStep } from './selective-scan/index.ts';
export type { SelectiveScanOptions, SelectiveScanResult, SelectiveScanStepOptions, SelectiveScanStepResult } from './selective-scan/index.ts';
export { tokenShift, tokenShiftStep } from './token-shift/index.ts';
export type { TokenShiftOptions, TokenShiftResult, TokenShiftStepOptions } from './token-shift/index.ts';
export { segmentSums, ssdScan, ssdScanStep } from './ssd-scan/index.ts';
export type { SsdScanOptions, SsdScanResult, SsdScanStepOptions } from './ssd-scan/index.ts';
export { stateSpaceScan, stateSpaceScanStep } from './state-space-scan/index.ts';
export type { StateSpaceOptions, StateSpaceResult, StateSpaceSystem } from './state-space-scan/index.ts';
export {
  createSystemCache, dssEigenvalues, dssKernel, dssScan, hippoScan, inversePositive, lsslScan, positive, POSITIVE_TRANSFORMS, s4CorrectedOutput, s4dKernel, s4DiscreteSystem, s4dScan, s4Kernel, s4Scan,
} from './state-space/index.ts';
export type {
  DiagonalDiscretisation, DssKernelOptions, DssParameters, DssVersion, LsslParameters, PositiveTransform, RealSystemOptions, RealSystemResult, S4dOptions, S4dParameters, S4Numbers, S4Options, S4Parameters, SpectrumTransforms, SystemCache, SystemOptions,
} from './state-space/index.ts';
export { vandermonde } from './vandermonde/index.ts';
export { wkv4, wkv4Step } from './wkv4/index.ts';
export type { Wkv4Options, Wkv4Result, Wkv4State } from './wkv4/index.ts';
