export { causalConv1d, causalConv1dStep } from './causal-conv1d.ts';
export type { CausalConv1dOptions, CausalConv1dResult, CausalConv1dStepOptions } from './causal-conv1d.ts';
