export { runStateSpace, stateSpaceScan, stateSpaceScanStep } from './state-space-scan.ts';
export type { StateSpaceOptions, StateSpaceResult, StateSpaceSystem } from './state-space-scan.ts';
