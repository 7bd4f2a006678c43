export { wkv4Step } from './step.ts';
export { wkv4 } from './wkv4.ts';
export type { Wkv4Options, Wkv4Result, Wkv4State } from './wkv4.ts';
