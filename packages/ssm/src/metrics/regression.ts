import { ShapeError } from '../errors/index.ts';

/** Mean over pairs whose actual value is finite; NaN marks a missing value and is left out. NaN if none is left. */
function meanOverPairs(name: string, actual: ArrayLike<number>, predicted: ArrayLike<number>, term: (actual: number, predicted: number) => number): number {
  if (actual.length !== predicted.length) throw new ShapeError(`${name}: got ${predicted.length} predictions for ${actual.length} actual values, expected as many. Pass both flat and in the same order.`);
  let sum = 0;
  let count = 0;
  for (let index = 0; index < actual.length; index++) {
    if (Number.isNaN(actual[index])) continue;
    sum += term(actual[index], predicted[index]);
    count += 1;
  }
  return sum / count;
}

/** Mean of (actual - predicted)^2. Missing actual values (NaN) are left out; a NaN prediction gives NaN. */
export function meanSquaredError(actual: ArrayLike<number>, predicted: ArrayLike<number>): number {
  return meanOverPairs('meanSquaredError', actual, predicted, (a, p) => (a - p) ** 2);
}

/** Square root of `meanSquaredError`, in the unit of the values. */
export function rootMeanSquaredError(actual: ArrayLike<number>, predicted: ArrayLike<number>): number {
  return Math.sqrt(meanOverPairs('rootMeanSquaredError', actual, predicted, (a, p) => (a - p) ** 2));
}

/** Mean of |actual - predicted|, in the unit of the values. */
export function meanAbsoluteError(actual: ArrayLike<number>, predicted: ArrayLike<number>): number {
  return meanOverPairs('meanAbsoluteError', actual, predicted, (a, p) => Math.abs(a - p));
}
