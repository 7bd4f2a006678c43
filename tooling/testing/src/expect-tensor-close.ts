import { tensorError } from './tensor-error.ts';
import { boundFor } from './tolerances.ts';
import type { TensorKind } from './tolerances.ts';

/** What can be compared: numbers with or without a shape. A tfjs tensor fits by its `dataSync`. */
export type Comparable = ArrayLike<number> | { readonly shape: readonly number[]; dataSync(): ArrayLike<number> };

const isTensor = (value: Comparable): value is Extract<Comparable, { shape: unknown }> => 'dataSync' in value;
const valuesOf = (value: Comparable): ArrayLike<number> => (isTensor(value) ? value.dataSync() : value);

export interface Closeness {
  readonly kind: TensorKind;
  /** What the message calls the tensor. */
  readonly name?: string;
  /** `single_precision_reference_gap` of a golden case. */
  readonly gap?: number;
}

/** Throws unless `actual` has the shape of `expected` and is within the bound of its kind. NaN never passes as a number. */
export function expectTensorClose(actual: Comparable, expected: Comparable, { kind, name = 'tensor', gap = 0 }: Closeness): void {
  if (isTensor(actual) && isTensor(expected) && actual.shape.join() !== expected.shape.join()) {
    throw new Error(`${name}: shape [${actual.shape.join(', ')}], expected [${expected.shape.join(', ')}]`);
  }
  const a = valuesOf(actual);
  const b = valuesOf(expected);
  if (a.length !== b.length) throw new Error(`${name}: ${a.length} values, expected ${b.length}`);
  const { absolute, relative, index } = tensorError(a, b);
  const bound = boundFor(kind, gap);
  if (!(relative <= bound)) {
    throw new Error(`${name}: error ${relative.toExponential(2)} (absolute ${absolute.toExponential(2)}) at element ${index}: got ${a[index]}, expected ${b[index]}; bound ${bound.toExponential(1)} for a ${kind}`);
  }
}
