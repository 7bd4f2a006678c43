/** The affine map and its gradients in float64. Imports nothing. */
type Values = ArrayLike<number>;

export interface LinearInputs {
  readonly rows: number;
  /** D. */
  readonly inner: number;
  /** M. */
  readonly outer: number;
  readonly x: Values;
  /** [M, D] */
  readonly weight: Values;
  readonly bias?: Values | null | undefined;
}

export function linearForwardReference({ rows, inner, outer, x, weight, bias }: LinearInputs): Float64Array {
  const y = new Float64Array(rows * outer);
  for (let row = 0; row < rows; row++) {
    for (let m = 0; m < outer; m++) {
      let sum = 0;
      for (let d = 0; d < inner; d++) sum += x[row * inner + d]! * weight[m * inner + d]!;
      y[row * outer + m] = sum + (bias ? bias[m]! : 0);
    }
  }
  return y;
}

export function linearBackwardReference({ rows, inner, outer, x, weight }: LinearInputs, dy: Values): { dx: Float64Array; dWeight: Float64Array; dBias: Float64Array } {
  const dx = new Float64Array(rows * inner), dWeight = new Float64Array(outer * inner), dBias = new Float64Array(outer);
  for (let row = 0; row < rows; row++) {
    for (let m = 0; m < outer; m++) {
      const slope = dy[row * outer + m]!;
      dBias[m]! += slope;
      for (let d = 0; d < inner; d++) {
        dx[row * inner + d]! += slope * weight[m * inner + d]!;
        dWeight[m * inner + d]! += slope * x[row * inner + d]!;
      }
    }
  }
  return { dx, dWeight, dBias };
}
