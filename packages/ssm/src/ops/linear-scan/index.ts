export { linearScan } from './linear-scan.ts';
export type { LinearScanOptions, LinearScanResult } from './linear-scan.ts';
export { linearScanStep } from './step.ts';
