/** Vandermonde product in float64, written to be read: the truth for the kernels. Imports nothing. */
export interface VandermondeInputs {
  readonly channels: number;
  readonly heads: number;
  readonly modes: number;
  readonly length: number;
  readonly vRe: ArrayLike<number>; // [C, H, N]
  readonly vIm: ArrayLike<number>;
  readonly xRe: ArrayLike<number>; // [H, N]
  readonly xIm: ArrayLike<number>;
}

/** Calls back with every term: indices of v, x and K, the step, and e^(l x). */
function eachTerm({ channels, heads, modes, length, xRe, xIm }: VandermondeInputs, visit: (v: number, x: number, k: number, l: number, re: number, im: number) => void): void {
  for (let c = 0; c < channels; c++) {
    for (let h = 0; h < heads; h++) {
      for (let n = 0; n < modes; n++) {
        const x = h * modes + n;
        for (let l = 0; l < length; l++) {
          const size = Math.exp(l * xRe[x]!);
          visit((c * heads + h) * modes + n, x, (c * heads + h) * length + l, l, size * Math.cos(l * xIm[x]!), size * Math.sin(l * xIm[x]!));
        }
      }
    }
  }
}

/** K[c, h, l] = sum over n of v e^(l x), [C, H, L]. */
export function vandermondeForwardReference(inputs: VandermondeInputs): { kRe: Float64Array; kIm: Float64Array } {
  const kRe = new Float64Array(inputs.channels * inputs.heads * inputs.length), kIm = kRe.slice();
  eachTerm(inputs, (v, _x, k, _l, re, im) => {
    kRe[k]! += inputs.vRe[v]! * re - inputs.vIm[v]! * im;
    kIm[k]! += inputs.vRe[v]! * im + inputs.vIm[v]! * re;
  });
  return { kRe, kIm };
}

/** dv = sum of conj(e^(l x)) dK, dx = sum of l conj(v e^(l x)) dK. */
export function vandermondeBackwardReference(inputs: VandermondeInputs, dKRe: ArrayLike<number>, dKIm?: ArrayLike<number> | null): {
  dvRe: Float64Array; dvIm: Float64Array; dxRe: Float64Array; dxIm: Float64Array;
} {
  const dvRe = new Float64Array(inputs.vRe.length), dvIm = dvRe.slice(), dxRe = new Float64Array(inputs.xRe.length), dxIm = dxRe.slice();
  eachTerm(inputs, (v, x, k, l, re, im) => {
    const dRe = dKRe[k]!, dIm = dKIm?.[k] ?? 0, backRe = re * dRe + im * dIm, backIm = re * dIm - im * dRe;
    dvRe[v]! += backRe;
    dvIm[v]! += backIm;
    dxRe[x]! += l * (inputs.vRe[v]! * backRe + inputs.vIm[v]! * backIm);
    dxIm[x]! += l * (inputs.vRe[v]! * backIm - inputs.vIm[v]! * backRe);
  });
  return { dvRe, dvIm, dxRe, dxIm };
}
