export { adamWUpdate, clipScale } from './adam-w.ts';
export type { AdamWOptions, AdamWSlot } from './adam-w.ts';
export { globalNorm } from './global-norm.ts';
