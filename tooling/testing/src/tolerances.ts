/**
 * The one table of bounds. A change here is a change of its own, with its reason. Nothing else in the repository holds a tolerance of an op.
 *
 * Error of a tensor = max|a - b| / max(max|b|, FLOOR), b the expected one.
 */
export type TensorKind = 'output' | 'state' | 'gradient' | 'float64';

/** Below this magnitude an expected tensor is measured absolutely. */
export const FLOOR = 1e-3;

export const BOUNDS: Readonly<Record<TensorKind, number>> = {
  output: 1e-5,
  state: 1e-5,
  gradient: 1e-4,
  /** float64 mathematics: HiPPO, discretisation, spectra. */
  float64: 1e-10,
};

/** Central differences in float64 with a step of 1e-6 are good to about 1e-8 of the largest slope; the margin is for cancellation. */
export const CENTRAL_DIFFERENCE_BOUND = 1e-6;

/** A golden case whose reference, run in single precision, is itself off by `gap` may be missed by this factor of it. */
export const GAP_FACTOR = 5;

/** Bound for one tensor, `gap` = its `single_precision_reference_gap` where the case has one. */
export function boundFor(kind: TensorKind, gap = 0): number {
  return Math.max(BOUNDS[kind], GAP_FACTOR * gap);
}
