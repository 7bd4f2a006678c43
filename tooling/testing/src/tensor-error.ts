import { FLOOR } from './tolerances.ts';

export interface TensorError {
  /** max|a - b|; NaN where one side is not a number and the other is, or infinities differ. */
  readonly absolute: number;
  /** absolute / max(max|b|, FLOOR), the figure that is held against the bound. */
  readonly relative: number;
  /** Flat index of the largest difference, -1 for equal or empty tensors. */
  readonly index: number;
}

/** Distance of `actual` from `expected`. Equal infinities and NaN against NaN count as equal; anything else not finite makes the error NaN. */
export function tensorError(actual: ArrayLike<number>, expected: ArrayLike<number>): TensorError {
  let absolute = 0;
  let largest = 0;
  let index = -1;
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i]!;
    const b = expected[i]!;
    if (Number.isFinite(b)) largest = Math.max(largest, Math.abs(b));
    if (Object.is(a, b) || a === b) continue;
    const difference = Math.abs(a - b);
    if (!Number.isFinite(difference)) return { absolute: Number.NaN, relative: Number.NaN, index: i };
    if (difference > absolute) {
      absolute = difference;
      index = i;
    }
  }
  return { absolute, relative: absolute / Math.max(largest, FLOOR), index };
}
