import { complexZeros } from '../../math/index.ts';
import { defineKernelPair } from '../common/define-operation.ts';
import type { NamedInputs, Where } from '../common/define-operation.ts';
import { readFloat64, runFloat64 } from '../common/float64-call.ts';
import { writeSlopes } from '../vandermonde/kernel.ts';

export interface CauchyAttributes {
  readonly batch: number;
  readonly modes: number;
  readonly nodes: number;
  readonly conjugate: boolean;
}

const INPUTS = ['vRe', 'vIm', 'zRe', 'zIm', 'wRe', 'wIm'] as const;
const integers = (a: CauchyAttributes): number[] => [a.batch, a.modes, a.nodes, a.conjugate ? 1 : 0];
const read = (where: Where, inputs: NamedInputs): Float64Array[] => INPUTS.map((name) => readFloat64(where, inputs[name]!));

export const cauchyProduct = defineKernelPair<CauchyAttributes>({
  name: 'cauchy',
  forward: (where, inputs, a) =>
    runFloat64(where, { kernel: 'cauchyForward', inputs: read(where, inputs), outputs: [[a.batch, a.nodes], [a.batch, a.nodes]], integers: integers(a) }),
  backward: (where, inputs, slopes, a) => {
    const dv = complexZeros(a.batch * a.modes), dw = complexZeros(a.batch * a.modes), each = complexZeros(a.batch * a.nodes), dz = complexZeros(a.nodes);
    runFloat64(where, {
      kernel: 'cauchyBackward', inputs: [...read(where, inputs), slopes[0]!, slopes[1]!], outputs: [dv.re, dv.im, each.re, each.im, dw.re, dw.im], integers: integers(a),
    });
    for (let i = 0; i < each.re.length; i++) {
      dz.re[i % a.nodes] += each.re[i];
      dz.im[i % a.nodes] += each.im[i];
    }
    return writeSlopes(where, inputs, { vRe: dv.re, vIm: dv.im, zRe: dz.re, zIm: dz.im, wRe: dw.re, wIm: dw.im });
  },
  gradientOf: (inputs) => Object.keys(inputs),
});
