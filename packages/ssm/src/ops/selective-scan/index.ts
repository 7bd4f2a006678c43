export { selectiveScan } from './selective-scan.ts';
export type { SelectiveScanOptions, SelectiveScanResult } from './selective-scan.ts';
export { selectiveScanStep } from './step.ts';
export type { SelectiveScanStepOptions, SelectiveScanStepResult } from './step.ts';
