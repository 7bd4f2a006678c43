/** Values with their axes moved: axis i of the result is axis `order[i]` of the source. */
export interface Laid { readonly values: Float32Array; readonly shape: number[] }

export function permute(values: ArrayLike<number>, shape: readonly number[], order: readonly number[]): Laid {
  const target = order.map((axis) => shape[axis]!);
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const steps = order.map((axis) => strides[axis]!);
  const result = new Float32Array(values.length);
  const index = target.map(() => 0);
  for (let i = 0, source = 0; i < result.length; i++) {
    result[i] = values[source]!;
    for (let axis = target.length - 1; axis >= 0; axis--) {
      source += steps[axis]!;
      if (++index[axis]! < target[axis]!) break;
      source -= steps[axis]! * target[axis]!;
      index[axis] = 0;
    }
  }
  return { values: result, shape: target };
}

/** The last axis becomes the second: [B, ..., L] to [B, L, ...]. */
export function lengthSecond(values: ArrayLike<number>, shape: readonly number[]): Laid {
  const axes = shape.map((_, axis) => axis);
  return permute(values, shape, [0, axes.length - 1, ...axes.slice(1, -1)]);
}

/** The reverse: [B, L, ...] to [B, ..., L]. */
export function lengthLast(values: ArrayLike<number>, shape: readonly number[]): Float32Array {
  const axes = shape.map((_, axis) => axis);
  return permute(values, shape, [0, ...axes.slice(2), 1]).values;
}

/** Every second value from `offset`: splits re, im pairs. */
export const every2nd = (values: ArrayLike<number>, offset: 0 | 1): Float32Array =>
  Float32Array.from({ length: values.length / 2 }, (_, i) => values[2 * i + offset]!);

/** re, im side by side. */
export function interleave(re: ArrayLike<number>, im: ArrayLike<number>): Float32Array {
  const pairs = new Float32Array(2 * re.length);
  for (let i = 0; i < re.length; i++) {
    pairs[2 * i] = re[i]!;
    pairs[2 * i + 1] = im[i]!;
  }
  return pairs;
}
