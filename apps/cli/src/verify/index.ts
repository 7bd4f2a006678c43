export { reportAsJson, reportAsText } from './print-report.ts';
export type { VerifyCase, VerifyReport, VerifyStatus, VerifySummary, VerifyTensor } from './report.ts';
export { verify } from './verify.ts';
export type { VerifyOptions } from './verify.ts';
