export { attention, attentionStep } from './attention.ts';
export type { AttentionOptions, AttentionResult, AttentionState, AttentionStepOptions, RotaryOptions } from './attention.ts';
