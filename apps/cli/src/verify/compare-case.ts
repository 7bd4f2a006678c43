import { boundFor, tensorError } from '@mamba360/testing';
import type { GoldenCase, TensorKind } from '@mamba360/testing';
import type { VerifyCase, VerifyTensor } from './report.ts';

/** Outputs of a case by their golden names, in the golden axis order, complex ones with re and im side by side. */
export type CaseOutputs = Readonly<Record<string, ArrayLike<number>>>;

/** Families of pure mathematics in float64. */
const FLOAT64_FAMILIES = new Set(['hippo']);

const kindOf = (family: string, name: string): TensorKind =>
  (FLOAT64_FAMILIES.has(family) ? 'float64' : name.startsWith('grad_') ? 'gradient' : /state/.test(name) ? 'state' : 'output');

function compareTensor(golden: GoldenCase, name: string, actual: ArrayLike<number> | undefined, gap: number): VerifyTensor {
  const { values: expected } = golden.value(name);
  const bound = boundFor(kindOf(golden.description.family, name), Math.max(golden.gap(name), gap));
  if (!actual) throw new Error(`this family's adapter computes no tensor ${name}`);
  if (actual.length !== expected.length) throw new Error(`tensor ${name} has ${actual.length} values, expected ${expected.length}`);
  const { absolute, relative } = tensorError(actual, expected);
  const suggestion = golden.description.tolerance?.f32;
  const largest = Array.from(expected).reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
  return { name, absolute, relative, bound, suggested: suggestion ? absolute <= suggestion.atol + suggestion.rtol * largest : null };
}

/** How far a tensor is on the way to its bound; not a number counts as beyond it. */
const ratio = (tensor: VerifyTensor): number => (Number.isNaN(tensor.relative) ? Infinity : tensor.relative / tensor.bound);

/** What to say of the tensor that misses its bound by most. */
function missOf({ name, relative, bound }: VerifyTensor): string {
  if (Number.isNaN(relative)) return `tensor ${name} has a value that is not a finite number on one side only`;
  return `tensor ${name} is off by ${relative.toExponential(1)} of its largest value, at most ${bound.toExponential(1)} is allowed`;
}

/** Compares every output the case describes. A case that describes none cannot pass. */
export function compareCase(golden: GoldenCase, backend: string, outputs: CaseOutputs, gapOf: (name: string) => number = () => 0): VerifyCase {
  const { family, case: name } = golden.description;
  const tensors = Object.keys(golden.description.outputs).map((output) => compareTensor(golden, output, outputs[output], gapOf(output)));
  if (tensors.length === 0) throw new Error('the case describes no outputs');
  const worst = tensors.reduce((most, tensor) => (ratio(tensor) > ratio(most) ? tensor : most));
  const passes = tensors.every((tensor) => ratio(tensor) <= 1);
  return {
    family, case: name, backend, status: passes ? 'pass' : 'fail',
    worst: { tensor: worst.name, error: Number.isNaN(worst.relative) ? null : worst.relative }, tensors,
    ...(passes ? {} : { reason: missOf(worst) }),
  };
}

