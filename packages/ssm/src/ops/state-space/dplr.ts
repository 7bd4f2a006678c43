import { complexZeros, inverse, matrix } from '../../math/index.ts';
import type { Complex, ComplexArray } from '../../math/index.ts';
import { add, conjugate, divide, multiply, scale } from '../../math/complex.ts';
import { correctedOutput } from './output-correction.ts';
import { gatherCopies, spectrum } from './spectrum.ts';
import type { Spectrum, SpectrumOptions } from './spectrum.ts';
import { fromPairs, toPairs } from './system.ts';
import type { DplrPoints, Raw, RawSlopes, ScanSystem, SystemSlopes } from './system.ts';

/** S4. Tensors beyond the spectrum's: B [S, N, 2], C [channels, H, N, 2], P [R, S, N, 2]. Bilinear. */
export interface DplrOptions extends SpectrumOptions {
  readonly channels: number;
  readonly rank: number;
  /** C is C~ = C (I - A^nodes) of the discrete A; 0: C is the plain output vector. */
  readonly nodes: number;
}

const at = (array: ComplexArray, i: number): Complex => ({ re: array.re[i], im: array.im[i] });
const put = (array: ComplexArray, i: number, value: Complex): void => {
  array.re[i] = value.re;
  array.im[i] = value.im;
};
const addTo = (array: ComplexArray, i: number, value: Complex): void => {
  array.re[i] += value.re;
  array.im[i] += value.im;
};
const dot = (a: Complex, b: Complex): number => a.re * b.re + a.im * b.im;

/** Index of channel h, mode n in a tensor of copies, row r. */
const copyIndex = (o: SpectrumOptions, r: number, h: number, n: number): number => (r * o.copies + (h % o.copies)) * o.modes + n;

/** What the frequency-domain kernel evaluates: a = dt A, rows B, P, columns dt C, dt conj(P). */
export function dplrPoints(raw: Raw, o: DplrOptions): DplrPoints {
  const { dt, A, pullback } = spectrum(raw, o), { heads: H, modes: N, rank: R, channels } = o, count = H * N;
  const B = fromPairs(raw['B']), C = fromPairs(raw['C']), P = fromPairs(raw['P']);
  const a = complexZeros(count), rows = complexZeros((1 + R) * count), columns = complexZeros((channels + R) * count);
  for (let i = 0; i < count; i++) {
    const h = Math.floor(i / N), n = i % N;
    put(a, i, scale(at(A, copyIndex(o, 0, h, n)), dt[h]));
    put(rows, i, at(B, copyIndex(o, 0, h, n)));
    for (let c = 0; c < channels; c++) put(columns, c * count + i, scale(at(C, c * count + i), dt[h]));
    for (let r = 0; r < R; r++) {
      const p = at(P, copyIndex(o, r, h, n));
      put(rows, (1 + r) * count + i, p);
      put(columns, (channels + r) * count + i, scale(conjugate(p), dt[h]));
    }
  }
  return {
    a, rows, columns,
    pullback: (da, dRows, dColumns) => {
      const dDt = new Float64Array(dt.length), dA = complexZeros(count), dC = complexZeros(C.re.length), dP = complexZeros(R * count);
      for (let i = 0; i < count; i++) {
        const h = Math.floor(i / N), n = i % N;
        put(dA, i, scale(at(da, i), dt[h]));
        dDt[h] += dot(at(da, i), at(A, copyIndex(o, 0, h, n)));
        for (let j = 0; j < channels + R; j++) dDt[h] += dot(at(dColumns, j * count + i), at(columns, j * count + i)) / dt[h];
        for (let c = 0; c < channels; c++) put(dC, c * count + i, scale(at(dColumns, c * count + i), dt[h]));
        for (let r = 0; r < R; r++) put(dP, r * count + i, add(at(dRows, (1 + r) * count + i), scale(conjugate(at(dColumns, (channels + r) * count + i)), dt[h])));
      }
      const dB = { re: dRows.re.slice(0, count), im: dRows.im.slice(0, count) };
      return { ...pullback(dDt, gatherCopies(dA, o)), B: toPairs(gatherCopies(dB, o)), C: toPairs(dC), P: toPairs(gatherCopies(dP, o)) };
    },
  };
}

/** The state equation of one channel: x' = a x + sum of g_r Re(f_r . x) + b u, and the way back. */
interface ChannelState {
  readonly a: Complex[];
  readonly b: Complex[];
  readonly f: Complex[][];
  readonly g: Complex[][];
  back(da: Complex[], db: Complex[], df: Complex[][], dg: Complex[][]): { dt: number; A: Complex[]; B: Complex[]; P: Complex[][] };
}

/**
 * The bilinear transform of diag(A) - P P^* over conjugate pairs. With D = 1 / (2/dt - A), M = I + 2 Re(conj(P) D P), f = M^-1 (8/dt) conj(P) D, g = -D P:
 * a = D (2/dt + A), and b = 2 D B + sum of g_r (dt/2) Re(f_r . B).
 */
function channelState(dt: number, A: Complex[], B: Complex[], P: Complex[][]): ChannelState {
  const N = A.length, R = P.length, zero = (): Complex => ({ re: 0, im: 0 });
  const D = A.map((value) => divide({ re: 1, im: 0 }, { re: 2 / dt - value.re, im: -value.im }));
  const M = matrix(R, R, (r, s) => P[r].reduce((sum, p, n) => sum + 2 * multiply(multiply(conjugate(p), D[n]), P[s][n]).re, r === s ? 1 : 0));
  const inverted = R > 0 ? inverse(M).values : new Float64Array(0);
  const h = P.map((row) => row.map((p, n) => scale(multiply(conjugate(p), D[n]), 8 / dt)));
  const f = P.map((_, r) => D.map((__, n) => h.reduce((sum, row, s) => add(sum, scale(row[n], inverted[r * R + s])), zero())));
  const g = P.map((row) => row.map((p, n) => scale(multiply(D[n], p), -1)));
  const E = A.map((value) => ({ re: 2 / dt + value.re, im: value.im }));
  const k = f.map((row) => (dt / 2) * row.reduce((sum, value, n) => sum + multiply(value, B[n]).re, 0));
  return {
    a: D.map((d, n) => multiply(d, E[n])),
    b: D.map((d, n) => g.reduce((sum, row, r) => add(sum, scale(row[n], k[r])), scale(multiply(d, B[n]), 2))),
    f, g,
    back: (da, db, dfGiven, dgGiven) => {
      let dDt = 0;
      const dD = D.map(zero), dA = D.map(zero), dB = D.map(zero), dP = P.map((row) => row.map(zero)), dQ = P.map((row) => row.map(zero));
      const df = dfGiven.map((row) => row.map((value) => ({ ...value }))), dg = dgGiven.map((row) => row.map((value) => ({ ...value })));
      const into = (target: Complex[], n: number, value: Complex): void => { target[n] = add(target[n], value); };
      for (let n = 0; n < N; n++) {
        into(dD, n, multiply(scale(conjugate(B[n]), 2), db[n]));
        into(dB, n, multiply(scale(conjugate(D[n]), 2), db[n]));
      }
      for (let r = 0; r < R; r++) {
        const dk = g[r].reduce((sum, value, n) => sum + dot(value, db[n]), 0);
        dDt += (dk * k[r]) / dt;
        for (let n = 0; n < N; n++) {
          into(dg[r], n, scale(db[n], k[r]));
          into(df[r], n, scale(conjugate(B[n]), (dt / 2) * dk));
          into(dB, n, scale(conjugate(f[r][n]), (dt / 2) * dk));
        }
      }
      const dInverted = matrix(R, R, (r, s) => h[s].reduce((sum, value, n) => sum + dot(value, df[r][n]), 0)).values;
      // dM = -M^-T dInverted M^-T
      const dM = new Float64Array(R * R);
      for (let r = 0; r < R; r++) for (let s = 0; s < R; s++) for (let i = 0; i < R; i++) for (let j = 0; j < R; j++) dM[r * R + s] -= inverted[i * R + r] * dInverted[i * R + j] * inverted[s * R + j];
      for (let s = 0; s < R; s++) {
        for (let n = 0; n < N; n++) {
          const dh = df.reduce((sum, row, r) => add(sum, scale(row[n], inverted[r * R + s])), zero());
          into(dQ[s], n, scale(multiply(conjugate(D[n]), dh), 8 / dt));
          into(dD, n, scale(multiply(P[s][n], dh), 8 / dt));
          dDt -= dot(h[s][n], dh) / dt;
          into(dD, n, scale(multiply(conjugate(P[s][n]), dg[s][n]), -1));
          into(dP[s], n, scale(multiply(conjugate(D[n]), dg[s][n]), -1));
          for (let r = 0; r < R; r++) {
            const slope = 2 * dM[r * R + s], q = conjugate(P[r][n]);
            into(dQ[r], n, scale(conjugate(multiply(D[n], P[s][n])), slope));
            into(dD, n, scale(conjugate(multiply(q, P[s][n])), slope));
            into(dP[s], n, scale(conjugate(multiply(q, D[n])), slope));
          }
        }
      }
      for (let n = 0; n < N; n++) {
        into(dD, n, multiply(conjugate(E[n]), da[n]));
        const dE = multiply(conjugate(D[n]), da[n]), square = multiply(D[n], D[n]);
        into(dA, n, add(dE, multiply(conjugate(square), dD[n])));
        dDt += (2 * dot(square, dD[n]) - 2 * dE.re) / (dt * dt);
        for (let r = 0; r < R; r++) into(dP[r], n, conjugate(dQ[r][n]));
      }
      return { dt: dDt, A: dA, B: dB, P: dP };
    },
  };
}

interface StateEquation { readonly a: ComplexArray; readonly b: ComplexArray; readonly f: ComplexArray; readonly g: ComplexArray; pullback(slopes: SystemSlopes): RawSlopes }

/** a, b, f, g of all channels. */
function stateEquation(raw: Raw, o: DplrOptions, { dt, A, pullback }: Spectrum): StateEquation {
  const { heads: H, modes: N, rank: R } = o, count = H * N, B = fromPairs(raw['B']), P = fromPairs(raw['P']);
  const row = (array: ComplexArray, start: number): Complex[] => Array.from({ length: N }, (_, n) => at(array, start + n));
  const rows = (array: ComplexArray, start: (r: number) => number): Complex[][] => Array.from({ length: R }, (_, r) => row(array, start(r)));
  const channels = Array.from({ length: H }, (_, h) => channelState(dt[h], row(A, copyIndex(o, 0, h, 0)), row(B, copyIndex(o, 0, h, 0)), rows(P, (r) => copyIndex(o, r, h, 0))));
  const result = { a: complexZeros(count), b: complexZeros(count), f: complexZeros(R * count), g: complexZeros(R * count) };
  channels.forEach(({ a, b, f, g }, h) => {
    for (let n = 0; n < N; n++) {
      put(result.a, h * N + n, a[n]);
      put(result.b, h * N + n, b[n]);
      for (let r = 0; r < R; r++) {
        put(result.f, r * count + h * N + n, f[r][n]);
        put(result.g, r * count + h * N + n, g[r][n]);
      }
    }
  });
  return {
    ...result,
    pullback: (slopes) => {
      const dDt = new Float64Array(dt.length), dA = complexZeros(count), dB = complexZeros(count), dP = complexZeros(R * count);
      channels.forEach((channel, h) => {
        const d = channel.back(row(slopes.a, h * N), row(slopes.b, h * N), rows(slopes.f, (r) => r * count + h * N), rows(slopes.g, (r) => r * count + h * N));
        dDt[h] += d.dt;
        for (let n = 0; n < N; n++) {
          addTo(dA, h * N + n, d.A[n]);
          addTo(dB, h * N + n, d.B[n]);
          for (let r = 0; r < R; r++) addTo(dP, r * count + h * N + n, d.P[r][n]);
        }
      });
      return { ...pullback(dDt, gatherCopies(dA, o)), B: toPairs(gatherCopies(dB, o)), P: toPairs(gatherCopies(dP, o)) };
    },
  };
}

/** The recurrence of S4, outputs included: c = 2 C, C solved from C~ where there are nodes. */
export function dplrSystem(raw: Raw, o: DplrOptions): ScanSystem {
  const equation = stateEquation(raw, o, spectrum(raw, o)), { a, b, f, g } = equation;
  const { c, pullback: outputPullback } = correctedOutput({ a, f, g }, fromPairs(raw['C']), o);
  return {
    a, b, c, f, g,
    pullback: (slopes) => {
      const d = outputPullback(slopes.c);
      const sum = (one: ComplexArray, other: ComplexArray): ComplexArray => ({ re: one.re.map((value, i) => value + other.re[i]), im: one.im.map((value, i) => value + other.im[i]) });
      return { ...equation.pullback({ ...slopes, a: sum(slopes.a, d.a), f: sum(slopes.f, d.f), g: sum(slopes.g, d.g) }), C: toPairs(d.C) };
    },
  };
}
