export { segmentSums } from './segment-sums.ts';
export { ssdScan } from './ssd-scan.ts';
export type { SsdScanOptions, SsdScanResult, SsdScanStepOptions } from './ssd-scan.ts';
export { ssdScanStep } from './step.ts';
