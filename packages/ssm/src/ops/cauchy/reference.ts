/** Cauchy product in float64, written to be read: the truth for the kernels. Imports nothing. */
export interface CauchyInputs {
  readonly batch: number;
  readonly modes: number;
  readonly nodes: number;
  readonly conjugate: boolean;
  readonly vRe: ArrayLike<number>; // [B, N]
  readonly vIm: ArrayLike<number>;
  readonly zRe: ArrayLike<number>; // [M]
  readonly zIm: ArrayLike<number>;
  readonly wRe: ArrayLike<number>; // [B, N]
  readonly wIm: ArrayLike<number>;
}

/** Calls back with every term: indices of v (and w) and of the output, the node, the sign of the imaginary parts, and 1 / (z - w). */
function eachTerm(i: CauchyInputs, visit: (v: number, out: number, m: number, sign: number, re: number, im: number) => void): void {
  for (let b = 0; b < i.batch; b++) {
    for (let n = 0; n < i.modes; n++) {
      for (let m = 0; m < i.nodes; m++) {
        for (const sign of i.conjugate ? [1, -1] : [1]) {
          const v = b * i.modes + n, x = i.zRe[m]! - i.wRe[v]!, y = i.zIm[m]! - sign * i.wIm[v]!, square = x * x + y * y;
          visit(v, b * i.nodes + m, m, sign, x / square, -y / square);
        }
      }
    }
  }
}

/** out[b, m] = sum over n of v / (z - w), and of the conjugates of v and w where wanted. [B, M] */
export function cauchyForwardReference(i: CauchyInputs): { re: Float64Array; im: Float64Array } {
  const re = new Float64Array(i.batch * i.nodes), im = re.slice();
  eachTerm(i, (v, out, _m, sign, tRe, tIm) => {
    re[out]! += i.vRe[v]! * tRe - sign * i.vIm[v]! * tIm;
    im[out]! += i.vRe[v]! * tIm + sign * i.vIm[v]! * tRe;
  });
  return { re, im };
}

/** Slopes; those of z for each b, [B, M]. */
export function cauchyBackwardReference(i: CauchyInputs, dRe: ArrayLike<number>, dIm: ArrayLike<number>): {
  dvRe: Float64Array; dvIm: Float64Array; dzRe: Float64Array; dzIm: Float64Array; dwRe: Float64Array; dwIm: Float64Array;
} {
  const dvRe = new Float64Array(i.vRe.length), dvIm = dvRe.slice(), dwRe = dvRe.slice(), dwIm = dvRe.slice();
  const dzRe = new Float64Array(i.batch * i.nodes), dzIm = dzRe.slice();
  eachTerm(i, (v, out, _m, sign, tRe, tIm) => {
    const vRe = i.vRe[v]!, vIm = sign * i.vIm[v]!;
    const backRe = tRe * dRe[out]! + tIm * dIm[out]!, backIm = tRe * dIm[out]! - tIm * dRe[out]!; // conj(1/(z-w)) D
    const nextRe = tRe * backRe + tIm * backIm, nextIm = tRe * backIm - tIm * backRe; // conj(1/(z-w)^2) D
    const poleRe = vRe * nextRe + vIm * nextIm, poleIm = vRe * nextIm - vIm * nextRe;
    dvRe[v]! += backRe;
    dvIm[v]! += sign * backIm;
    dwRe[v]! += poleRe;
    dwIm[v]! += sign * poleIm;
    dzRe[out]! -= poleRe;
    dzIm[out]! -= poleIm;
  });
  return { dvRe, dvIm, dzRe, dzIm, dwRe, dwIm };
}
