export { legsScan, legsScanStep } from './legs-scan.ts';
export type { LegsScanOptions, LegsScanResult, LegsState } from './legs-scan.ts';
