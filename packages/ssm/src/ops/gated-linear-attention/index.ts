export { gatedLinearAttention } from './gated-linear-attention.ts';
export type { GatedLinearAttentionOptions, GatedLinearAttentionResult, GatedLinearAttentionState } from './gated-linear-attention.ts';
export { gatedLinearAttentionStep } from './step.ts';
export type { GatedLinearAttentionStepOptions } from './step.ts';
