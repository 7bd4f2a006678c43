/**
 * The scale-invariant LegS memory in float64 by dense matrices, written to be read: the truth for the kernels. Imports nothing.
 *
 * Sample t + 1 takes x to (I - alpha A / t)^-1 ((I + (1 - alpha) A / t) x + B / t u), the first sample to (u, 0, ...).
 */
export interface LegsInputs {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly stateSize: number;
  readonly channels: number;
  readonly alpha: number;
  readonly u: ArrayLike<number>; // [B, L, H]
  readonly c: ArrayLike<number>; // [C, H, N]
  readonly initial?: ArrayLike<number> | null | undefined; // [B, H, N]
  /** Samples seen before, [B]. */
  readonly steps?: ArrayLike<number> | null | undefined;
  /** [B, L]: bit 0 = masked, bit 1 = the memory is empty before this step. */
  readonly control?: ArrayLike<number> | null | undefined;
}

type Dense = number[][];

/** [transition, input] of one step, [N][N] and [N]; t = 0: the first sample. */
function stepMatrices(N: number, t: number, alpha: number): { A: Dense; B: number[] } {
  if (t === 0) return { A: Array.from({ length: N }, () => Array.from({ length: N }, () => 0)), B: Array.from({ length: N }, (_, n) => (n === 0 ? 1 : 0)) };
  const root = (n: number): number => Math.sqrt(2 * n + 1), entry = (i: number, j: number): number => (i > j ? -root(i) * root(j) : i === j ? -(i + 1) : 0);
  const right = Array.from({ length: N }, (_, i) => [...Array.from({ length: N }, (__, j) => (i === j ? 1 : 0) + ((1 - alpha) / t) * entry(i, j)), root(i) / t]);
  // Lower triangular solve of I - alpha A / t.
  const solved: Dense = [];
  for (let i = 0; i < N; i++) {
    solved.push(right[i]!.map((value, j) => {
      let sum = value;
      for (let k = 0; k < i; k++) sum += (alpha / t) * entry(i, k) * solved[k]![j]!;
      return sum / (1 - (alpha / t) * entry(i, i));
    }));
  }
  return { A: solved.map((row) => row.slice(0, N)), B: solved.map((row) => row[N]!) };
}

/** States around every step of one channel: before it (null where it is masked), after it, and its matrices. */
function walk(i: LegsInputs, b: number, h: number): { before: number[] | null; after: number[]; A: Dense; B: number[] }[] {
  const N = i.stateSize, start = (b * i.heads + h) * N;
  let x = Array.from({ length: N }, (_, n) => i.initial?.[start + n] ?? 0), t = i.steps?.[b] ?? 0;
  return Array.from({ length: i.length }, (_, l) => {
    const bits = i.control?.[b * i.length + l] ?? 0;
    if (bits & 2) {
      x = Array.from({ length: N }, () => 0);
      t = 0;
    }
    if (bits & 1) return { before: null, after: x, A: [], B: [] };
    const { A, B } = stepMatrices(N, t, i.alpha), before = x, u = i.u[(b * i.length + l) * i.heads + h]!;
    x = A.map((row, n) => row.reduce((sum, value, m) => sum + value * before[m]!, B[n]! * u));
    t += 1;
    return { before, after: x, A, B };
  });
}

/** y [B, L, C, H] and the memory after the last step [B, H, N]. */
export function legsForwardReference(i: LegsInputs): { y: Float64Array; final: Float64Array } {
  const N = i.stateSize, y = new Float64Array(i.batch * i.length * i.channels * i.heads), final = new Float64Array(i.batch * i.heads * N);
  for (let b = 0; b < i.batch; b++) {
    for (let h = 0; h < i.heads; h++) {
      const steps = walk(i, b, h);
      steps.forEach(({ before, after }, l) => {
        if (!before) return;
        for (let c = 0; c < i.channels; c++) y[((b * i.length + l) * i.channels + c) * i.heads + h] = after.reduce((sum, value, n) => sum + value * i.c[(c * i.heads + h) * N + n]!, 0);
      });
      final.set(steps.at(-1)!.after, (b * i.heads + h) * N);
    }
  }
  return { y, final };
}

/** Slopes of u, c and the first memory. */
export function legsBackwardReference(i: LegsInputs, dy: ArrayLike<number>, dFinal?: ArrayLike<number> | null): { du: Float64Array; dc: Float64Array; dInitial: Float64Array } {
  const N = i.stateSize, du = new Float64Array(i.u.length), dc = new Float64Array(i.c.length), dInitial = new Float64Array(i.batch * i.heads * N);
  for (let b = 0; b < i.batch; b++) {
    for (let h = 0; h < i.heads; h++) {
      const steps = walk(i, b, h), start = (b * i.heads + h) * N;
      let slope = Array.from({ length: N }, (_, n) => dFinal?.[start + n] ?? 0);
      for (let l = i.length - 1; l >= 0; l--) {
        const { before, after, A, B } = steps[l]!;
        if (before) {
          for (let c = 0; c < i.channels; c++) {
            const d = dy[((b * i.length + l) * i.channels + c) * i.heads + h]!, at = (c * i.heads + h) * N;
            for (let n = 0; n < N; n++) {
              slope[n]! += i.c[at + n]! * d;
              dc[at + n]! += after[n]! * d;
            }
          }
          du[(b * i.length + l) * i.heads + h] = B.reduce((sum, value, n) => sum + value * slope[n]!, 0);
          const last = slope;
          slope = last.map((_, m) => A.reduce((sum, row, n) => sum + row[m]! * last[n]!, 0));
        }
        if ((i.control?.[b * i.length + l] ?? 0) & 2) slope = slope.map(() => 0);
      }
      dInitial.set(slope, start);
    }
  }
  return { du, dc, dInitial };
}
