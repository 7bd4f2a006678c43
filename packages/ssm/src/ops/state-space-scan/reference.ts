/**
 * Time-invariant state space in float64, written to be read: the truth for the kernels. Imports nothing.
 *
 * x[t] = a x[t-1] + sum over r of g_r Re(f_r . x[t-1]) + b u[t];  y_c[t] = Re(c_c . x[t]).
 */
export interface StateSpaceInputs {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly modes: number;
  readonly channels: number;
  readonly rank: number;
  readonly u: ArrayLike<number>; // [B, L, H]
  readonly aRe: ArrayLike<number>; // [H, N]
  readonly aIm: ArrayLike<number>;
  readonly bRe: ArrayLike<number>; // [H, N]
  readonly bIm: ArrayLike<number>;
  readonly cRe: ArrayLike<number>; // [C, H, N]
  readonly cIm: ArrayLike<number>;
  readonly fRe: ArrayLike<number>; // [R, H, N]
  readonly fIm: ArrayLike<number>;
  readonly gRe: ArrayLike<number>; // [R, H, N]
  readonly gIm: ArrayLike<number>;
  readonly initialRe?: ArrayLike<number> | null | undefined; // [B, H, N]
  readonly initialIm?: ArrayLike<number> | null | undefined;
  /** [B, L]: bit 0 = masked, bit 1 = the state is zero before this step. */
  readonly control?: ArrayLike<number> | null | undefined;
}

interface State { readonly re: Float64Array; readonly im: Float64Array }

const zeros = (n: number): State => ({ re: new Float64Array(n), im: new Float64Array(n) });

function initial(i: StateSpaceInputs, b: number, h: number): State {
  const start = (b * i.heads + h) * i.modes, read = (source?: ArrayLike<number> | null) => Float64Array.from({ length: i.modes }, (_, n) => source?.[start + n] ?? 0);
  return { re: read(i.initialRe), im: read(i.initialIm) };
}

/** Re(w . x) for row r of w, channel h. */
function dot(i: StateSpaceInputs, wRe: ArrayLike<number>, wIm: ArrayLike<number>, r: number, h: number, x: State): number {
  let sum = 0;
  for (let n = 0; n < i.modes; n++) {
    const at = (r * i.heads + h) * i.modes + n;
    sum += wRe[at]! * x.re[n]! - wIm[at]! * x.im[n]!;
  }
  return sum;
}

function step(i: StateSpaceInputs, h: number, x: State, u: number): State {
  const next = zeros(i.modes), dots = Array.from({ length: i.rank }, (_, r) => dot(i, i.fRe, i.fIm, r, h, x));
  for (let n = 0; n < i.modes; n++) {
    const at = h * i.modes + n;
    next.re[n] = i.aRe[at]! * x.re[n]! - i.aIm[at]! * x.im[n]! + i.bRe[at]! * u;
    next.im[n] = i.aRe[at]! * x.im[n]! + i.aIm[at]! * x.re[n]! + i.bIm[at]! * u;
    dots.forEach((value, r) => {
      next.re[n]! += i.gRe[r * i.heads * i.modes + at]! * value;
      next.im[n]! += i.gIm[r * i.heads * i.modes + at]! * value;
    });
  }
  return next;
}

/** States around every step of one channel: before it (null where it is masked) and after it. */
function walk(i: StateSpaceInputs, b: number, h: number): { before: State | null; after: State }[] {
  let x = initial(i, b, h);
  return Array.from({ length: i.length }, (_, t) => {
    const bits = i.control?.[b * i.length + t] ?? 0;
    if (bits & 2) x = zeros(i.modes);
    if (bits & 1) return { before: null, after: x };
    const before = x;
    x = step(i, h, x, i.u[(b * i.length + t) * i.heads + h]!);
    return { before, after: x };
  });
}

/** y [B, L, C, H] and the final state [B, H, N]. */
export function stateSpaceForwardReference(i: StateSpaceInputs): { y: Float64Array; finalRe: Float64Array; finalIm: Float64Array } {
  const y = new Float64Array(i.batch * i.length * i.channels * i.heads), finalRe = new Float64Array(i.batch * i.heads * i.modes), finalIm = finalRe.slice();
  for (let b = 0; b < i.batch; b++) {
    for (let h = 0; h < i.heads; h++) {
      const steps = walk(i, b, h);
      steps.forEach(({ before, after }, t) => {
        if (!before) return;
        for (let c = 0; c < i.channels; c++) y[((b * i.length + t) * i.channels + c) * i.heads + h] = dot(i, i.cRe, i.cIm, c, h, after);
      });
      const last = steps.at(-1)?.after ?? initial(i, b, h);
      finalRe.set(last.re, (b * i.heads + h) * i.modes);
      finalIm.set(last.im, (b * i.heads + h) * i.modes);
    }
  }
  return { y, finalRe, finalIm };
}

export interface StateSpaceGradients {
  readonly du: Float64Array;
  readonly daRe: Float64Array;
  readonly daIm: Float64Array;
  readonly dbRe: Float64Array;
  readonly dbIm: Float64Array;
  readonly dcRe: Float64Array;
  readonly dcIm: Float64Array;
  readonly dfRe: Float64Array;
  readonly dfIm: Float64Array;
  readonly dgRe: Float64Array;
  readonly dgIm: Float64Array;
  readonly dInitialRe: Float64Array;
  readonly dInitialIm: Float64Array;
}

/** Slopes (dLoss/dRe, dLoss/dIm), walking each sequence backwards. */
export function stateSpaceBackwardReference(
  i: StateSpaceInputs, dy: ArrayLike<number> | null | undefined, dFinalRe?: ArrayLike<number> | null, dFinalIm?: ArrayLike<number> | null,
): StateSpaceGradients {
  const like = (source: ArrayLike<number>): Float64Array => new Float64Array(source.length), states = i.batch * i.heads * i.modes;
  const d: StateSpaceGradients = {
    du: like(i.u), daRe: like(i.aRe), daIm: like(i.aRe), dbRe: like(i.aRe), dbIm: like(i.aRe), dcRe: like(i.cRe), dcIm: like(i.cRe), dfRe: like(i.fRe), dfIm: like(i.fRe),
    dgRe: like(i.fRe), dgIm: like(i.fRe), dInitialRe: new Float64Array(states), dInitialIm: new Float64Array(states),
  };
  for (let b = 0; b < i.batch; b++) {
    for (let h = 0; h < i.heads; h++) {
      const steps = walk(i, b, h), start = (b * i.heads + h) * i.modes, row = h * i.modes, count = i.heads * i.modes;
      let slope: State = { re: Float64Array.from({ length: i.modes }, (_, n) => dFinalRe?.[start + n] ?? 0), im: Float64Array.from({ length: i.modes }, (_, n) => dFinalIm?.[start + n] ?? 0) };
      for (let t = i.length - 1; t >= 0; t--) {
        const { before, after } = steps[t]!, at = (b * i.length + t) * i.heads + h;
        if (before) {
          for (let c = 0; c < i.channels; c++) {
            const out = dy?.[((b * i.length + t) * i.channels + c) * i.heads + h] ?? 0;
            for (let n = 0; n < i.modes; n++) {
              const w = c * count + row + n;
              slope.re[n]! += i.cRe[w]! * out;
              slope.im[n]! -= i.cIm[w]! * out;
              d.dcRe[w]! += after.re[n]! * out;
              d.dcIm[w]! -= after.im[n]! * out;
            }
          }
          const previous = zeros(i.modes);
          for (let n = 0; n < i.modes; n++) {
            const re = slope.re[n]!, im = slope.im[n]!, w = row + n;
            d.du[at]! += i.bRe[w]! * re + i.bIm[w]! * im;
            d.dbRe[w]! += re * i.u[at]!;
            d.dbIm[w]! += im * i.u[at]!;
            d.daRe[w]! += re * before.re[n]! + im * before.im[n]!;
            d.daIm[w]! += im * before.re[n]! - re * before.im[n]!;
            previous.re[n] = i.aRe[w]! * re + i.aIm[w]! * im;
            previous.im[n] = i.aRe[w]! * im - i.aIm[w]! * re;
          }
          for (let r = 0; r < i.rank; r++) {
            const value = dot(i, i.fRe, i.fIm, r, h, before);
            let into = 0;
            for (let n = 0; n < i.modes; n++) {
              const w = r * count + row + n;
              into += i.gRe[w]! * slope.re[n]! + i.gIm[w]! * slope.im[n]!;
              d.dgRe[w]! += slope.re[n]! * value;
              d.dgIm[w]! += slope.im[n]! * value;
            }
            for (let n = 0; n < i.modes; n++) {
              const w = r * count + row + n;
              d.dfRe[w]! += before.re[n]! * into;
              d.dfIm[w]! -= before.im[n]! * into;
              previous.re[n]! += i.fRe[w]! * into;
              previous.im[n]! -= i.fIm[w]! * into;
            }
          }
          slope = previous;
        }
        if ((i.control?.[b * i.length + t] ?? 0) & 2) slope = zeros(i.modes);
      }
      d.dInitialRe.set(slope.re, start);
      d.dInitialIm.set(slope.im, start);
    }
  }
  return d;
}
