/**
 * S4's convolution kernel in float64 by its generating function, written to be read: the truth for the kernels. Imports nothing.
 *
 * With w the node, s = (1 + w) / 2, d = (1 - w) - s a and r_ij = sum over n of rows_i columns_j / d, and of its conjugate partner:
 * spectrum = r_BC - s r_BQ (I + s r_PQ)^-1 r_PC.
 */
export interface DplrKernelInputs {
  readonly heads: number;
  readonly modes: number;
  readonly channels: number;
  readonly rank: number;
  readonly nodes: number;
  readonly length: number;
  readonly aRe: ArrayLike<number>; // [H, N]
  readonly aIm: ArrayLike<number>;
  readonly rowsRe: ArrayLike<number>; // [1 + R, H, N]
  readonly rowsIm: ArrayLike<number>;
  readonly columnsRe: ArrayLike<number>; // [C + R, H, N]
  readonly columnsIm: ArrayLike<number>;
}

interface Complex { readonly re: number; readonly im: number }
const of = (re: number, im = 0): Complex => ({ re, im });
const plus = (a: Complex, b: Complex): Complex => of(a.re + b.re, a.im + b.im);
const times = (a: Complex, b: Complex): Complex => of(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
const minus = (a: Complex): Complex => of(-a.re, -a.im);
const conjugate = (a: Complex): Complex => of(a.re, -a.im);
const over = (a: Complex): Complex => of(a.re / (a.re * a.re + a.im * a.im), -a.im / (a.re * a.re + a.im * a.im));

/** Inverse of a small complex matrix by Gauss and Jordan. */
function inverted(source: Complex[][]): Complex[][] {
  const size = source.length;
  const rows = source.map((row, i) => [...row, ...row.map((_, j) => of(i === j ? 1 : 0))]);
  for (let k = 0; k < size; k++) {
    const pivot = over(rows[k]![k]!);
    rows[k] = rows[k]!.map((value) => times(value, pivot));
    for (let i = 0; i < size; i++) {
      const factor = rows[i]![k]!;
      if (i !== k) rows[i] = rows[i]!.map((value, j) => plus(value, minus(times(factor, rows[k]![j]!))));
    }
  }
  return rows.map((row) => row.slice(size));
}

/** One node of one channel: r, and u = r_BQ M^-1, w = M^-1 r_PC with M[q][p] = I + s r_PQ. */
function point(i: DplrKernelInputs, h: number, k: number) {
  const angle = (-2 * Math.PI * k) / i.nodes, node = of(Math.cos(angle), Math.sin(angle));
  const s = of((1 + node.re) / 2, node.im / 2), rest = of(1 - node.re, -node.im), R = i.rank;
  const read = (re: ArrayLike<number>, im: ArrayLike<number>, row: number, n: number): Complex => of(re[(row * i.heads + h) * i.modes + n]!, im[(row * i.heads + h) * i.modes + n]!);
  const modes = Array.from({ length: i.modes }, (_, n) => {
    const a = read(i.aRe, i.aIm, 0, n);
    return {
      own: over(plus(rest, minus(times(s, a)))), other: over(plus(rest, minus(times(s, conjugate(a))))),
      rows: Array.from({ length: 1 + R }, (__, row) => read(i.rowsRe, i.rowsIm, row, n)), columns: Array.from({ length: i.channels + R }, (__, column) => read(i.columnsRe, i.columnsIm, column, n)),
    };
  });
  const r = Array.from({ length: 1 + R }, (_, row) => Array.from({ length: i.channels + R }, (__, column) => modes.reduce((sum, mode) => {
    const v = times(mode.rows[row]!, mode.columns[column]!);
    return plus(sum, plus(times(v, mode.own), times(conjugate(v), mode.other)));
  }, of(0))));
  const ranks = Array.from({ length: R }, (_, j) => j);
  const T = inverted(ranks.map((q) => ranks.map((p) => plus(of(p === q ? 1 : 0), times(s, r[1 + p]![i.channels + q]!))))); // [p][q]
  const u = ranks.map((p) => ranks.reduce((sum, q) => plus(sum, times(r[0]![i.channels + q]!, T[p]![q]!)), of(0)));
  const w = ranks.map((q) => Array.from({ length: i.channels }, (_, c) => ranks.reduce((sum, p) => plus(sum, times(T[p]![q]!, r[1 + p]![c]!)), of(0))));
  return { s, modes, r, u, w, ranks };
}

/** K [C, H, L]: the first L of the inverse transform of the spectrum, whose upper half is the conjugate of the lower. */
export function dplrKernelForwardReference(i: DplrKernelInputs): Float64Array {
  const kernel = new Float64Array(i.channels * i.heads * i.length);
  for (let h = 0; h < i.heads; h++) {
    for (let k = 0; 2 * k <= i.nodes; k++) {
      const { s, r, u, ranks } = point(i, h, k), weight = (2 * k) % i.nodes === 0 ? 1 : 2;
      for (let c = 0; c < i.channels; c++) {
        const value = plus(r[0]![c]!, minus(times(s, ranks.reduce((sum, p) => plus(sum, times(u[p]!, r[1 + p]![c]!)), of(0)))));
        for (let l = 0; l < i.length; l++) {
          const angle = (2 * Math.PI * ((k * l) % i.nodes)) / i.nodes;
          kernel[(c * i.heads + h) * i.length + l]! += (weight / i.nodes) * (value.re * Math.cos(angle) - (weight === 1 ? 0 : value.im * Math.sin(angle)));
        }
      }
    }
  }
  return kernel;
}

/** Slopes of a, rows and columns. */
export function dplrKernelBackwardReference(i: DplrKernelInputs, dK: ArrayLike<number>): {
  daRe: Float64Array; daIm: Float64Array; dRowsRe: Float64Array; dRowsIm: Float64Array; dColumnsRe: Float64Array; dColumnsIm: Float64Array;
} {
  const zeros = (like: ArrayLike<number>): Float64Array => new Float64Array(like.length);
  const d = { daRe: zeros(i.aRe), daIm: zeros(i.aRe), dRowsRe: zeros(i.rowsRe), dRowsIm: zeros(i.rowsRe), dColumnsRe: zeros(i.columnsRe), dColumnsIm: zeros(i.columnsRe) };
  const into = (re: Float64Array, im: Float64Array, at: number, value: Complex): void => {
    re[at]! += value.re;
    im[at]! += value.im;
  };
  for (let h = 0; h < i.heads; h++) {
    for (let k = 0; 2 * k <= i.nodes; k++) {
      const { s, modes, r, u, w, ranks } = point(i, h, k), weight = (2 * k) % i.nodes === 0 ? 1 : 2;
      const slopes = r.map((row) => row.map(() => of(0)));
      for (let c = 0; c < i.channels; c++) {
        let dRe = 0, dIm = 0;
        for (let l = 0; l < i.length; l++) {
          const angle = (2 * Math.PI * ((k * l) % i.nodes)) / i.nodes, slope = (weight / i.nodes) * dK[(c * i.heads + h) * i.length + l]!;
          dRe += slope * Math.cos(angle);
          dIm -= weight === 1 ? 0 : slope * Math.sin(angle);
        }
        const slope = of(dRe, dIm);
        slopes[0]![c] = slope;
        for (const p of ranks) {
          slopes[1 + p]![c] = minus(times(conjugate(times(s, u[p]!)), slope));
          slopes[0]![i.channels + p] = plus(slopes[0]![i.channels + p]!, minus(times(conjugate(times(s, w[p]![c]!)), slope)));
          for (const q of ranks) {
            const both = times(times(s, u[p]!), times(s, w[q]![c]!));
            slopes[1 + p]![i.channels + q] = plus(slopes[1 + p]![i.channels + q]!, times(conjugate(both), slope));
          }
        }
      }
      modes.forEach(({ own, other, rows, columns }, n) => rows.forEach((row, j) => columns.forEach((column, m) => {
        const slope = slopes[j]![m]!, back = conjugate(slope), at = (index: number): number => (index * i.heads + h) * i.modes + n;
        const z = plus(times(conjugate(own), slope), times(other, back));
        into(d.dRowsRe, d.dRowsIm, at(j), times(conjugate(column), z));
        into(d.dColumnsRe, d.dColumnsIm, at(m), times(conjugate(row), z));
        const y = plus(times(conjugate(times(s, times(own, own))), slope), times(times(s, times(other, other)), back));
        into(d.daRe, d.daIm, at(0), times(conjugate(times(row, column)), y));
      })));
    }
  }
  return d;
}
