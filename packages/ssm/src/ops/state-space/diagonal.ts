import { complexZeros, phi1, phi1Slope } from '../../math/index.ts';
import type { Complex, ComplexArray } from '../../math/index.ts';
import { add, complexExp, conjugate, divide, multiply, scale } from '../../math/complex.ts';
import { softmaxFactor } from './softmax-factor.ts';
import { gatherCopies, spectrum } from './spectrum.ts';
import type { SpectrumOptions } from './spectrum.ts';
import { fromPairs, toPairs } from './system.ts';
import type { Modes, Raw, RawSlopes, ScanSystem } from './system.ts';

export type DiagonalDiscretisation = 'zoh' | 'bilinear' | 'dss';

/** S4D. Tensors beyond the spectrum's: B [S, N, 2], C [channels, H, N, 2]. */
export interface DiagonalOptions extends SpectrumOptions {
  readonly channels: number;
  readonly discretisation: DiagonalDiscretisation;
}

/** Epsilon in the reciprocal of S4D's `dss` discretisation. */
const DSS_EPSILON = 1e-7;

interface Mode {
  /** Logarithm of the discrete eigenvalue, and what B is multiplied with. */
  readonly x: Complex;
  readonly q: Complex;
  /** From slopes of x and q to those of dt and A. */
  back(dx: Complex, dq: Complex): { dt: number; A: Complex };
}

/** log of (1 + z/2) / (1 - z/2), accurate near z = 0; any branch will do, since only whole multiples are exponentiated. */
function logarithm(z: Complex): Complex {
  const square = (1 - z.re / 2) ** 2 + (z.im / 2) ** 2;
  return { re: Math.max(-745, 0.5 * Math.log1p((2 * z.re) / square)), im: Math.atan2(z.im / 2, 1 + z.re / 2) - Math.atan2(-z.im / 2, 1 - z.re / 2) };
}

const dot = (a: Complex, b: Complex): number => a.re * b.re + a.im * b.im;

function zohMode(dt: number, A: Complex): Mode {
  const z = scale(A, dt), factor = phi1(z);
  return {
    x: z, q: scale(factor, dt),
    back: (dx, dq) => {
      const dz = add(dx, multiply(conjugate(scale(phi1Slope(z), dt)), dq));
      return { dt: dot(dz, A) + dot(dq, factor), A: scale(dz, dt) };
    },
  };
}

function bilinearMode(dt: number, A: Complex): Mode {
  const z = scale(A, dt), factor = divide({ re: 1, im: 0 }, { re: 1 - z.re / 2, im: -z.im / 2 });
  const over = multiply(factor, divide({ re: 1, im: 0 }, { re: 1 + z.re / 2, im: z.im / 2 })); // dx / dz
  return {
    x: logarithm(z), q: scale(factor, dt),
    back: (dx, dq) => {
      const dz = add(multiply(conjugate(over), dx), multiply(conjugate(scale(multiply(factor, factor), dt / 2)), dq));
      return { dt: dot(dz, A) + dot(dq, factor), A: scale(dz, dt) };
    },
  };
}

function dssMode(dt: number, A: Complex, length: number): Mode {
  const z = scale(A, dt), { value, back } = softmaxFactor(z, A, length, DSS_EPSILON);
  return {
    x: z, q: value,
    back: (dx, dq) => {
      const slopes = back(dq), dz = add(dx, slopes.z);
      return { dt: dot(dz, A), A: add(scale(dz, dt), slopes.lambda) };
    },
  };
}

/** All modes [H, N] of the parameters, and the way back from slopes of x and q. */
function allModes(raw: Raw, o: DiagonalOptions, length: number): { x: ComplexArray; q: ComplexArray; back(dx: ComplexArray, dq: ComplexArray): RawSlopes } {
  const { dt, A, pullback } = spectrum(raw, o), { heads, modes, copies, steps } = o, count = heads * modes;
  const x = complexZeros(count), q = complexZeros(count);
  const all: Mode[] = [];
  for (let i = 0; i < count; i++) {
    const h = Math.floor(i / modes), n = i % modes, at = (h % copies) * modes + n;
    const step = dt[h * steps + (steps === 1 ? 0 : n)], eigenvalue = { re: A.re[at], im: A.im[at] };
    const mode = o.discretisation === 'zoh' ? zohMode(step, eigenvalue) : o.discretisation === 'bilinear' ? bilinearMode(step, eigenvalue) : dssMode(step, eigenvalue, length);
    all.push(mode);
    x.re[i] = mode.x.re;
    x.im[i] = mode.x.im;
    q.re[i] = mode.q.re;
    q.im[i] = mode.q.im;
  }
  return {
    x, q,
    back: (dx, dq) => {
      const dDt = new Float64Array(dt.length), dA = complexZeros(count);
      all.forEach((mode, i) => {
        const slopes = mode.back({ re: dx.re[i], im: dx.im[i] }, { re: dq.re[i], im: dq.im[i] });
        const h = Math.floor(i / modes);
        dDt[h * steps + (steps === 1 ? 0 : i % modes)] += slopes.dt;
        dA.re[i] = slopes.A.re;
        dA.im[i] = slopes.A.im;
      });
      return pullback(dDt, gatherCopies(dA, o));
    },
  };
}

/** B of every channel, [H, N]. */
function spreadB(raw: Raw, { heads, modes, copies }: SpectrumOptions): ComplexArray {
  const B = fromPairs(raw['B']), all = complexZeros(heads * modes);
  for (let i = 0; i < all.re.length; i++) {
    const at = (Math.floor(i / modes) % copies) * modes + (i % modes);
    all.re[i] = B.re[at];
    all.im[i] = B.im[at];
  }
  return all;
}

/** out += conj(a_i) slope_i */
function accumulate(out: ComplexArray, i: number, re: number, im: number, slopeRe: number, slopeIm: number): void {
  out.re[i] += re * slopeRe + im * slopeIm;
  out.im[i] += re * slopeIm - im * slopeRe;
}

/** The kernel's modes: v = factor C B q, factor 2 for conjugate pairs (1 with `dss`, as published). */
export function diagonalModes(raw: Raw, o: DiagonalOptions, length: number): Modes {
  const { x, q, back } = allModes(raw, o, length), B = spreadB(raw, o), C = fromPairs(raw['C']), count = o.heads * o.modes;
  const factor = o.discretisation === 'dss' ? 1 : 2;
  const bq = complexZeros(count), v = complexZeros(C.re.length);
  for (let i = 0; i < count; i++) {
    bq.re[i] = factor * (B.re[i] * q.re[i] - B.im[i] * q.im[i]);
    bq.im[i] = factor * (B.re[i] * q.im[i] + B.im[i] * q.re[i]);
  }
  for (let j = 0; j < v.re.length; j++) {
    const i = j % count;
    v.re[j] = C.re[j] * bq.re[i] - C.im[j] * bq.im[i];
    v.im[j] = C.re[j] * bq.im[i] + C.im[j] * bq.re[i];
  }
  return {
    x, v,
    pullback: (dx, dv) => {
      const dC = complexZeros(C.re.length), dBq = complexZeros(count), dB = complexZeros(count), dq = complexZeros(count);
      for (let j = 0; j < v.re.length; j++) {
        const i = j % count;
        accumulate(dC, j, bq.re[i], bq.im[i], dv.re[j], dv.im[j]);
        accumulate(dBq, i, factor * C.re[j], factor * C.im[j], dv.re[j], dv.im[j]);
      }
      for (let i = 0; i < count; i++) {
        accumulate(dB, i, q.re[i], q.im[i], dBq.re[i], dBq.im[i]);
        accumulate(dq, i, B.re[i], B.im[i], dBq.re[i], dBq.im[i]);
      }
      return { ...back(dx, dq), B: toPairs(gatherCopies(dB, o)), C: toPairs(dC) };
    },
  };
}

/** The recurrence of the same system: a = e^x, b = B q, c = 2 C. */
export function diagonalSystem(raw: Raw, o: DiagonalOptions): ScanSystem {
  const { x, q, back } = allModes(raw, o, 0), B = spreadB(raw, o), C = fromPairs(raw['C']), count = o.heads * o.modes;
  const a = complexZeros(count), b = complexZeros(count);
  for (let i = 0; i < count; i++) {
    const value = complexExp({ re: x.re[i], im: x.im[i] });
    a.re[i] = value.re;
    a.im[i] = value.im;
    b.re[i] = B.re[i] * q.re[i] - B.im[i] * q.im[i];
    b.im[i] = B.re[i] * q.im[i] + B.im[i] * q.re[i];
  }
  return {
    a, b, c: { re: C.re.map((value) => 2 * value), im: C.im.map((value) => 2 * value) }, f: complexZeros(0), g: complexZeros(0),
    pullback: (slopes) => {
      const dx = complexZeros(count), dB = complexZeros(count), dq = complexZeros(count);
      for (let i = 0; i < count; i++) {
        accumulate(dx, i, a.re[i], a.im[i], slopes.a.re[i], slopes.a.im[i]);
        accumulate(dB, i, q.re[i], q.im[i], slopes.b.re[i], slopes.b.im[i]);
        accumulate(dq, i, B.re[i], B.im[i], slopes.b.re[i], slopes.b.im[i]);
      }
      const dC = { re: slopes.c.re.map((value) => 2 * value), im: slopes.c.im.map((value) => 2 * value) };
      return { ...back(dx, dq), B: toPairs(gatherCopies(dB, o)), C: toPairs(dC) };
    },
  };
}
