import { expect, it } from 'vitest';
import { every2nd, interleave, lengthLast, lengthSecond, permute } from './layout.ts';

it('moves axes and back', () => {
  const values = Float32Array.from({ length: 24 }, (_, i) => i);
  const laid = lengthSecond(values, [2, 3, 4]);
  expect(laid.shape).toEqual([2, 4, 3]);
  expect(laid.values[1 * 3 + 2]).toBe(2 * 4 + 1);
  expect(lengthLast(laid.values, laid.shape)).toEqual(values);
  const four = lengthSecond(values, [1, 2, 3, 4]);
  expect(four.shape).toEqual([1, 4, 2, 3]);
  expect(lengthLast(four.values, four.shape)).toEqual(values);
  expect(permute([1, 2, 3, 4, 5, 6], [2, 3], [1, 0])).toEqual({ values: Float32Array.of(1, 4, 2, 5, 3, 6), shape: [3, 2] });
  expect(permute([], [0, 3], [1, 0]).shape).toEqual([3, 0]);
});

it('splits and joins complex pairs', () => {
  const pairs = Float32Array.of(1, -1, 2, -2);
  expect([...every2nd(pairs, 0)]).toEqual([1, 2]);
  expect(interleave(every2nd(pairs, 0), every2nd(pairs, 1))).toEqual(pairs);
});
