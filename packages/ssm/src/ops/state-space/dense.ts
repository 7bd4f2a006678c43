import { combine, complexZeros, identity, inverse, matrix, product, transpose } from '../../math/index.ts';
import type { ComplexArray, Matrix } from '../../math/index.ts';
import type { Raw, ScanSystem } from './system.ts';

/** LSSL. Tensors: A [N, N], B [N], logDt [H], C [H, channels, N], all real. */
export interface DenseOptions { readonly heads: number; readonly stateSize: number; readonly channels: number }

/** A real dense system as one of rank N: f_r picks entry r of the state, g_r is column r of the matrix. */
export function denseAsLowRank(A: readonly Matrix[], B: readonly ArrayLike<number>[], c: Float64Array): Omit<ScanSystem, 'pullback'> {
  const heads = A.length, N = A[0]!.rows, count = heads * N;
  const b = complexZeros(count), f = complexZeros(N * count), g = complexZeros(N * count);
  for (let h = 0; h < heads; h++) {
    b.re.set(B[h]!, h * N);
    for (let r = 0; r < N; r++) {
      f.re[r * count + h * N + r] = 1;
      for (let n = 0; n < N; n++) g.re[r * count + h * N + n] = A[h]!.values[n * N + r]!;
    }
  }
  return { a: complexZeros(count), b, c: { re: c, im: new Float64Array(c.length) }, f, g };
}

/** [H, C, N] to [C, H, N], or back with the sizes exchanged. */
function exchange(values: Float64Array, outer: number, inner: number, width: number): Float64Array {
  const result = new Float64Array(values.length);
  for (let i = 0; i < outer; i++) for (let j = 0; j < inner; j++) result.set(values.subarray((i * inner + j) * width, (i * inner + j + 1) * width), (j * outer + i) * width);
  return result;
}

/** x' = A x + B u under the bilinear transform with the step e^logDt of each channel: with W = (I - dt/2 A)^-1 it is 2 W - I and dt W B. */
export function denseSystem(raw: Raw, { heads, stateSize: N, channels }: DenseOptions): ScanSystem {
  const A: Matrix = { rows: N, columns: N, values: raw['A'] }, column: Matrix = { rows: N, columns: 1, values: raw['B'] }, dt = raw['logDt'].map(Math.exp);
  const W = Array.from(dt, (step) => inverse(combine(identity(N), 1, A, -step / 2))), WB = W.map((w) => product(w, column).values);
  const system = denseAsLowRank(W.map((w) => combine(w, 2, identity(N), -1)), WB.map((values, h) => values.map((value) => value * dt[h]!)), exchange(raw['C'], heads, channels, N));
  return {
    ...system,
    pullback: ({ b, c, g }: { b: ComplexArray; c: ComplexArray; g: ComplexArray }) => {
      const dA = new Float64Array(N * N), dB = new Float64Array(N), dLog = new Float64Array(heads), count = heads * N;
      for (let h = 0; h < heads; h++) {
        const slope = b.re.subarray(h * N, (h + 1) * N);
        const dDiscrete = matrix(N, N, (n, r) => g.re[r * count + h * N + n]!);
        const dW = matrix(N, N, (i, j) => 2 * dDiscrete.values[i * N + j]! + dt[h]! * slope[i]! * raw['B'][j]!), turned = transpose(W[h]!);
        const back = product(turned, { rows: N, columns: 1, values: slope }).values;
        for (let n = 0; n < N; n++) dB[n] += dt[h]! * back[n]!;
        // W changes by W (dt/2 dA + A d(dt)/2) W.
        const inner = product(product(turned, dW), turned).values;
        let dStep = slope.reduce((sum, value, n) => sum + value * WB[h]![n]!, 0);
        for (let i = 0; i < N * N; i++) {
          dA[i] += (dt[h]! / 2) * inner[i]!;
          dStep += 0.5 * inner[i]! * raw['A'][i]!;
        }
        dLog[h] = dStep * dt[h]!;
      }
      return { A: dA, B: dB, logDt: dLog, C: exchange(c.re, channels, heads, N) };
    },
  };
}

/** A fixed discrete system that all channels share; only the readout C [C, H, N] is a parameter. */
export function fixedSystem(raw: Raw, A: Matrix, B: Float64Array, heads: number): ScanSystem {
  return { ...denseAsLowRank(Array.from({ length: heads }, () => A), Array.from({ length: heads }, () => B), raw['C']), pullback: ({ c }) => ({ C: c.re }) };
}
