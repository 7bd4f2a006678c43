export { mamba3Scan } from './mamba3-scan.ts';
export type { Mamba3ScanInputs, Mamba3ScanOptions, Mamba3ScanResult, Mamba3ScanState, Mamba3ScanStepOptions } from './mamba3-scan.ts';
export { mamba3ScanStep } from './step.ts';
