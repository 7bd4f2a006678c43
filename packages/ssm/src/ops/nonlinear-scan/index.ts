export { nonlinearScan, nonlinearScanStep } from './nonlinear-scan.ts';
export type { NonlinearScanOptions, NonlinearScanResult, NonlinearScanStepOptions, NonlinearState, RecurrentKind } from './nonlinear-scan.ts';
