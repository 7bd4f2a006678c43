import { tensorError } from './tensor-error.ts';
import { CENTRAL_DIFFERENCE_BOUND } from './tolerances.ts';

/** Slope of `loss` at every element of `values` by central differences in float64. `values` is restored. */
export function centralDifferences(loss: () => number, values: Float64Array, step = 1e-6): Float64Array {
  return values.map((original, i) => {
    const h = step * Math.max(1, Math.abs(original));
    values[i] = original + h;
    const above = loss();
    values[i] = original - h;
    const below = loss();
    values[i] = original;
    return (above - below) / (2 * h);
  });
}

/** Throws unless `gradient` agrees with central differences of `loss` in `values`. */
export function expectGradient(name: string, gradient: ArrayLike<number>, loss: () => number, values: Float64Array): void {
  const expected = centralDifferences(loss, values);
  if (gradient.length !== expected.length) throw new Error(`gradient of ${name}: ${gradient.length} values, expected ${expected.length}`);
  const { relative, index } = tensorError(gradient, expected);
  if (!(relative <= CENTRAL_DIFFERENCE_BOUND)) {
    throw new Error(`gradient of ${name}: error ${relative.toExponential(2)} at element ${index}: got ${gradient[index]}, central difference ${expected[index]}`);
  }
}
