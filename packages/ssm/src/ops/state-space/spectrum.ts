import { complexZeros } from '../../math/index.ts';
import type { ComplexArray } from '../../math/index.ts';
import { positive, positiveSlope } from './positive.ts';
import type { PositiveTransform } from './positive.ts';
import type { Raw, RawSlopes } from './system.ts';

/** Sizes and transforms that S4 and S4D share. Tensors: invDt [H, 1 or N], ARe, AIm [S, N]; the S copies repeat cyclically over the H channels. */
export interface SpectrumOptions {
  readonly heads: number;
  /** One of each conjugate pair. */
  readonly modes: number;
  readonly copies: number;
  /** 1, or `modes` for a step of each mode. */
  readonly steps: number;
  readonly dtTransform: PositiveTransform;
  readonly realTransform: PositiveTransform;
  readonly imagTransform: PositiveTransform;
  /** Sampling rate relative to training: steps are multiplied with it. */
  readonly rate: number;
}

/** Steps dt [H, steps] and eigenvalues A [S, N] of the parameters. */
export interface Spectrum {
  readonly dt: Float64Array;
  readonly A: ComplexArray;
  pullback(dDt: Float64Array, dA: ComplexArray): RawSlopes;
}

/** dt = transform(invDt) rate; A = -transform(ARe) - i transform(AIm), real where there is no AIm. */
export function spectrum(raw: Raw, o: SpectrumOptions): Spectrum {
  const { invDt, ARe, AIm } = raw;
  return {
    dt: invDt.map((p) => positive(o.dtTransform, p) * o.rate),
    A: { re: ARe.map((p) => -positive(o.realTransform, p)), im: AIm ? AIm.map((p) => -positive(o.imagTransform, p)) : new Float64Array(ARe.length) },
    pullback: (dDt, dA) => ({
      invDt: invDt.map((p, i) => dDt[i] * positiveSlope(o.dtTransform, p) * o.rate),
      ARe: ARe.map((p, i) => -dA.re[i] * positiveSlope(o.realTransform, p)),
      ...(AIm && { AIm: AIm.map((p, i) => -dA.im[i] * positiveSlope(o.imagTransform, p)) }),
    }),
  };
}

/** Adds the slopes of all channels that share a copy. [..., H, N] to [..., S, N]. */
export function gatherCopies(slopes: ComplexArray, o: SpectrumOptions): ComplexArray {
  const { heads, modes, copies } = o, outer = slopes.re.length / (heads * modes);
  const sum = complexZeros(outer * copies * modes);
  for (let i = 0; i < outer; i++) {
    for (let h = 0; h < heads; h++) {
      for (let n = 0; n < modes; n++) {
        const to = (i * copies + (h % copies)) * modes + n, from = (i * heads + h) * modes + n;
        sum.re[to] += slopes.re[from];
        sum.im[to] += slopes.im[from];
      }
    }
  }
  return sum;
}
