export { nonlinearScan, nonlinearScanStep } from './nonlinear-scan.ts';
export type { NonlinearScanOptions, NonlinearScanResult, NonlinearScanStepOptions, NonlinearState } from './nonlinear-scan.ts';
