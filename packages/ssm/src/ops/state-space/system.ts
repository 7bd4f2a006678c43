import type { ComplexArray } from '../../math/index.ts';

/** Numbers of the parameter tensors of one call, by name, in float64. */
export type Raw = Readonly<Record<string, Float64Array>>;

/** Slopes of the parameters, by the same names. A complex slope is dLoss/dRe + i dLoss/dIm, side by side where the parameter is stored so. */
export type RawSlopes = Record<string, Float64Array>;

/** K[c, h, l] = Re sum over n of v[c, h, n] e^(l x[h, n]). */
export interface Modes {
  readonly x: ComplexArray; // [H, N]
  readonly v: ComplexArray; // [C, H, N]
  pullback(dx: ComplexArray, dv: ComplexArray): RawSlopes;
}

/** x[t] = a x[t-1] + sum over r of g_r Re(f_r . x[t-1]) + b u[t];  y_c[t] = Re(c_c . x[t]). */
export interface ScanSystem {
  readonly a: ComplexArray; // [H, N]
  readonly b: ComplexArray; // [H, N]
  readonly c: ComplexArray; // [C, H, N]
  readonly f: ComplexArray; // [R, H, N]
  readonly g: ComplexArray; // [R, H, N]
  pullback(slopes: SystemSlopes): RawSlopes;
}

export interface SystemSlopes {
  readonly a: ComplexArray;
  readonly b: ComplexArray;
  readonly c: ComplexArray;
  readonly f: ComplexArray;
  readonly g: ComplexArray;
}

/** What `dplrKernel` evaluates: a scaled by the step, rows B, P, columns C, Q. */
export interface DplrPoints {
  readonly a: ComplexArray; // [H, N]
  readonly rows: ComplexArray; // [1 + R, H, N]
  readonly columns: ComplexArray; // [C + R, H, N]
  pullback(a: ComplexArray, rows: ComplexArray, columns: ComplexArray): RawSlopes;
}

/** re, im side by side as two arrays. */
export function fromPairs(values: Float64Array): ComplexArray {
  const re = new Float64Array(values.length / 2), im = new Float64Array(values.length / 2);
  for (let i = 0; i < re.length; i++) {
    re[i] = values[2 * i];
    im[i] = values[2 * i + 1];
  }
  return { re, im };
}

/** Two arrays as re, im side by side. */
export function toPairs({ re, im }: ComplexArray): Float64Array {
  const values = new Float64Array(2 * re.length);
  for (let i = 0; i < re.length; i++) {
    values[2 * i] = re[i];
    values[2 * i + 1] = im[i];
  }
  return values;
}
