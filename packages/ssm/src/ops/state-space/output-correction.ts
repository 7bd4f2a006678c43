import { combine, complexZeros, identity, matrix, power, product, solve, transpose } from '../../math/index.ts';
import type { ComplexArray, Matrix } from '../../math/index.ts';

interface Sizes { readonly heads: number; readonly modes: number; readonly rank: number; readonly channels: number; readonly nodes: number }
interface StateMatrix { readonly a: ComplexArray; readonly f: ComplexArray; readonly g: ComplexArray }

/** The discrete state matrix of channel h over (re, im), 2N x 2N and real. */
export function realStateMatrix({ a, f, g }: StateMatrix, h: number, { heads, modes: N, rank }: Pick<Sizes, 'heads' | 'modes' | 'rank'>): Matrix {
  const count = heads * N, start = h * N;
  return matrix(2 * N, 2 * N, (i, j) => {
    const n = i % N, m = j % N, imRow = i >= N, imColumn = j >= N;
    let sum = 0;
    if (n === m) sum = imRow === imColumn ? a.re[start + n] : imRow ? a.im[start + n] : -a.im[start + n];
    for (let r = 0; r < rank; r++) {
      const left = (imRow ? g.im : g.re)[r * count + start + n], right = imColumn ? -f.im[r * count + start + m] : f.re[r * count + start + m];
      sum += left * right;
    }
    return sum;
  });
}

/** a^exponent by squaring, with the way back from its slope. */
function powerWithPullback(a: Matrix, exponent: number): { value: Matrix; pullback(slope: Matrix): Matrix } {
  if (exponent === 1) return { value: a, pullback: (slope) => slope };
  const half = powerWithPullback(a, Math.floor(exponent / 2)), odd = exponent % 2 === 1;
  const square = product(half.value, half.value), value = odd ? product(square, a) : square;
  return {
    value,
    pullback: (slope) => {
      const dSquare = odd ? product(slope, transpose(a)) : slope, turned = transpose(half.value);
      const fromHalf = half.pullback(combine(product(dSquare, turned), 1, product(turned, dSquare), 1));
      return odd ? combine(fromHalf, 1, product(transpose(square), slope), 1) : fromHalf;
    },
  };
}

/** Row vectors (re, -im) of twice a complex output vector: y = 2 Re(C . x) over (re, im). */
const outputRow = (C: ComplexArray, start: number, N: number): Matrix => matrix(2 * N, 1, (i) => 2 * (i < N ? C.re[start + i] : -C.im[start + i - N]));

/**
 * c with y = Re(c . x) from S4's C~: C = C~ (I - A^nodes)^-1, c = 2 C; without nodes c = 2 C~. With the way back to C~ and the state matrix.
 *
 * @remarks Time O(N^3 log nodes) for each channel. The convolution never needs it; only running the recurrence does.
 */
export function correctedOutput(state: StateMatrix, C: ComplexArray, o: Sizes): {
  c: ComplexArray; pullback(dc: ComplexArray): StateMatrix & { C: ComplexArray };
} {
  const { heads, modes: N, rank, channels, nodes } = o, count = heads * N;
  if (nodes === 0) {
    const twice = (x: ComplexArray): ComplexArray => ({ re: x.re.map((value) => 2 * value), im: x.im.map((value) => 2 * value) });
    return { c: twice(C), pullback: (dc) => ({ a: complexZeros(count), f: complexZeros(rank * count), g: complexZeros(rank * count), C: twice(dc) }) };
  }
  const c = complexZeros(channels * count);
  const solved = Array.from({ length: heads }, (_, h) => {
    const powered = powerWithPullback(realStateMatrix(state, h, o), nodes);
    const rest = combine(identity(2 * N), 1, powered.value, -1);
    const rows = Array.from({ length: channels }, (__, channel) => {
      const start = channel * count + h * N, w = solve(transpose(rest), outputRow(C, start, N));
      for (let n = 0; n < N; n++) {
        c.re[start + n] = w.values[n];
        c.im[start + n] = -w.values[N + n];
      }
      return w;
    });
    return { powered, rest, rows };
  });
  return {
    c,
    pullback: (dc) => {
      const d = { a: complexZeros(count), f: complexZeros(rank * count), g: complexZeros(rank * count), C: complexZeros(channels * count) };
      solved.forEach(({ powered, rest, rows }, h) => {
        let slope = matrix(2 * N, 2 * N, () => 0);
        rows.forEach((w, channel) => {
          const start = channel * count + h * N;
          // w (I - A^L) = w~: slope of w~ is z = (I - A^L)^-1 dw, slope of A^L is w z^T.
          const z = solve(rest, matrix(2 * N, 1, (i) => (i < N ? dc.re[start + i] : -dc.im[start + i - N])));
          for (let n = 0; n < N; n++) {
            d.C.re[start + n] = 2 * z.values[n];
            d.C.im[start + n] = -2 * z.values[N + n];
          }
          slope = combine(slope, 1, matrix(2 * N, 2 * N, (i, j) => w.values[i] * z.values[j]), 1);
        });
        addStateSlopes(d, powered.pullback(slope).values, state, h, o);
      });
      return d;
    },
  };
}

/** From the slope of the real state matrix of a channel to those of a, f, g. */
function addStateSlopes(d: StateMatrix, slope: Float64Array, { f, g }: StateMatrix, h: number, { heads, modes: N, rank }: Sizes): void {
  const count = heads * N, start = h * N, width = 2 * N;
  for (let n = 0; n < N; n++) {
    d.a.re[start + n] += slope[n * width + n] + slope[(N + n) * width + N + n];
    d.a.im[start + n] += slope[(N + n) * width + n] - slope[n * width + N + n];
    for (let r = 0; r < rank; r++) {
      for (let m = 0; m < N; m++) {
        const row = r * count + start + n, column = r * count + start + m;
        const rr = slope[n * width + m], ri = slope[n * width + N + m], ir = slope[(N + n) * width + m], ii = slope[(N + n) * width + N + m];
        d.g.re[row] += rr * f.re[column] - ri * f.im[column];
        d.g.im[row] += ir * f.re[column] - ii * f.im[column];
        d.f.re[column] += rr * g.re[row] + ir * g.im[row];
        d.f.im[column] -= ri * g.re[row] + ii * g.im[row];
      }
    }
  }
}

/** C~ = C (I - A^nodes) from the plain output vector C, [channels, H, N]. */
export function outputWithCorrection(state: StateMatrix, C: ComplexArray, o: Sizes): ComplexArray {
  const { heads, modes: N, channels, nodes } = o, count = heads * N, corrected = complexZeros(channels * count);
  for (let h = 0; h < heads; h++) {
    const rest = transpose(combine(identity(2 * N), 1, power(realStateMatrix(state, h, o), nodes), -1));
    for (let channel = 0; channel < channels; channel++) {
      const start = channel * count + h * N, w = product(rest, outputRow(C, start, N)).values;
      for (let n = 0; n < N; n++) {
        corrected.re[start + n] = w[n] / 2;
        corrected.im[start + n] = -w[N + n] / 2;
      }
    }
  }
  return corrected;
}
