import type { ComplexArray } from '../../math/index.ts';
import { dplrSystem } from './dplr.ts';
import type { DplrOptions } from './dplr.ts';
import { outputWithCorrection } from './output-correction.ts';
import { fromPairs, toPairs } from './system.ts';
import type { Raw } from './system.ts';

/** S4's parameters as plain numbers in float64, in the official shapes (flat). */
export interface S4Numbers {
  readonly invDt: Float64Array; // [H, 1]
  readonly ARe: Float64Array; // [S, N]
  readonly AIm: Float64Array;
  readonly B: Float64Array; // [S, N, 2]
  readonly C: Float64Array; // [C, H, N, 2], the plain output vector
  readonly P: Float64Array; // [R, S, N, 2]
}

type Options = Omit<DplrOptions, 'nodes'>;

/** The discrete system of S4's parameters with a plain C: a, b, c [.., H, N], f, g [R, H, N]. */
export function s4DiscreteSystem(p: S4Numbers, o: Options): { a: ComplexArray; b: ComplexArray; c: ComplexArray; f: ComplexArray; g: ComplexArray } {
  const { a, b, c, f, g } = dplrSystem(p as unknown as Raw, { ...o, nodes: 0 });
  return { a, b, c, f, g };
}

/** C~ = C (I - A^length), [C, H, N, 2] flat: what S4 learns instead of C. In float64, O(N^3 log length) for each channel. */
export function s4CorrectedOutput(p: S4Numbers, o: Options, length: number): Float64Array {
  return toPairs(outputWithCorrection(s4DiscreteSystem(p, o), fromPairs(p.C), { ...o, nodes: length }));
}
