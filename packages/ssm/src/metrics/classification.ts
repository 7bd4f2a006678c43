import { ShapeError } from '../errors/index.ts';

/** Share of equal labels, 0 to 1. NaN for no label. */
export function accuracy<Label extends string | number>(actual: ArrayLike<Label>, predicted: ArrayLike<Label>): number {
  if (actual.length !== predicted.length) throw new ShapeError(`accuracy: got ${predicted.length} predictions for ${actual.length} labels, expected as many.`);
  let equal = 0;
  for (let index = 0; index < actual.length; index++) if (actual[index] === predicted[index]) equal += 1;
  return equal / actual.length;
}

/**
 * Mean of -log p(actual class), in nats; divide by log 2 for bits.
 *
 * @param actual - Class numbers, one a row.
 * @param logits - Unnormalised scores, rows of `classes` values.
 */
export function crossEntropy(actual: ArrayLike<number>, logits: ArrayLike<number>, classes: number): number {
  if (logits.length !== actual.length * classes) throw new ShapeError(`crossEntropy: got ${logits.length} logits for ${actual.length} rows of ${classes} classes, expected ${actual.length * classes}.`);
  let sum = 0;
  for (let row = 0; row < actual.length; row++) {
    let largest = -Infinity;
    for (let k = 0; k < classes; k++) largest = Math.max(largest, logits[row * classes + k]);
    let total = 0;
    for (let k = 0; k < classes; k++) total += Math.exp(logits[row * classes + k] - largest);
    sum += largest + Math.log(total) - logits[row * classes + actual[row]];
  }
  return sum / actual.length;
}
