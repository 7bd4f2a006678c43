export { tokenShift, tokenShiftStep } from './token-shift.ts';
export type { TokenShiftOptions, TokenShiftResult, TokenShiftStepOptions } from './token-shift.ts';
