import { complexZeros } from '../../math/index.ts';
import { defineKernelPair } from '../common/define-operation.ts';
import { runFloat64 } from '../common/float64-call.ts';
import type { DplrPoints, Raw } from '../state-space/system.ts';
import { readRaw, writeSlopes } from '../vandermonde/kernel.ts';

export interface DplrAttributes {
  readonly channels: number;
  readonly heads: number;
  readonly modes: number;
  readonly rank: number;
  /** Points of the unit circle; the kernel is the first `length` of as many samples. */
  readonly nodes: number;
  readonly length: number;
  prepare(raw: Raw): DplrPoints;
}

const integers = (a: DplrAttributes): number[] => [a.heads, a.modes, a.channels, a.rank, a.nodes, a.length];
const buffers = ({ a, rows, columns }: DplrPoints): Float64Array[] => [a.re, a.im, rows.re, rows.im, columns.re, columns.im];

/** K [C, H, L] of a diagonal plus low-rank system by its generating function. */
export const dplrKernel = defineKernelPair<DplrAttributes>({
  name: 'dplrKernel',
  forward: (where, inputs, a) => {
    const points = a.prepare(readRaw(where, inputs, Object.keys(inputs)));
    return runFloat64(where, { kernel: 'dplrKernelForward', inputs: buffers(points), outputs: [[a.channels, a.heads, a.length]], integers: integers(a) });
  },
  backward: (where, inputs, slopes, a) => {
    const points = a.prepare(readRaw(where, inputs, Object.keys(inputs)));
    const da = complexZeros(points.a.re.length), dRows = complexZeros(points.rows.re.length), dColumns = complexZeros(points.columns.re.length);
    runFloat64(where, {
      kernel: 'dplrKernelBackward', inputs: [...buffers(points), slopes[0]!], outputs: [da.re, da.im, dRows.re, dRows.im, dColumns.re, dColumns.im], integers: integers(a),
    });
    return writeSlopes(where, inputs, points.pullback(da, dRows, dColumns));
  },
  gradientOf: (inputs) => Object.keys(inputs),
});
