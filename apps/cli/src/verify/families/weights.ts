import type { GoldenCase } from '@mamba360/testing';

/** Every input of a case that is stored as it is, by name: weights, and whatever the caller takes out again. */
export function weightsOf(golden: GoldenCase): Record<string, { shape: number[]; values: Float32Array }> {
  return Object.fromEntries(Object.keys(golden.description.inputs).map((name) => {
    const { shape, values } = golden.value(name);
    return [name, { shape: [...shape], values: Float32Array.from(values) }];
  }));
}
