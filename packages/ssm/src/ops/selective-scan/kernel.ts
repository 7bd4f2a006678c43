import { defineOperation } from '../common/define-operation.ts';
import type { NamedInputs } from '../common/define-operation.ts';

export interface ScanAttributes {
  readonly batch: number;
  readonly length: number;
  readonly channels: number;
  readonly stateSize: number;
  /** 0: constant. */
  readonly groupsB: number;
  readonly groupsC: number;
  readonly softplus: boolean;
  readonly stateEvery: number;
  readonly control: Uint8Array | null;
}

const integers = (a: ScanAttributes): number[] => [
  a.batch, a.length, a.channels, a.stateSize, a.groupsB, a.groupsC, a.softplus ? 1 : 0, a.stateEvery,
];
const sequence = (a: ScanAttributes): number[] => [a.batch, a.length, a.channels];
const stateShape = (a: ScanAttributes): number[] => [a.batch, a.channels, a.stateSize];
const statesShape = (a: ScanAttributes): number[] | null =>
  (a.stateEvery === 0 ? null : [a.batch, Math.ceil(a.length / a.stateEvery), a.channels, a.stateSize]);
const shapeOf = (inputs: NamedInputs, name: string): number[] | null => inputs[name]?.shape ?? null;

const REAL = ['u', 'delta', 'A', 'B', 'C', 'D', 'z', 'deltaBias', 'state'] as const;

/** Real A: inputs by the names of `REAL`, outputs y, final state and, where asked for, states. */
export const realScan = defineOperation<ScanAttributes>({
  name: 'selectiveScan',
  forward: (inputs, a) => ({
    kernel: 'selectiveScanForward',
    inputs: [...REAL.map((name) => inputs[name] ?? null), a.control],
    outputs: [sequence(a), stateShape(a), statesShape(a)],
    integers: integers(a),
  }),
  backward: (inputs, slopes, a) => ({
    plan: {
      kernel: 'selectiveScanBackward',
      inputs: [...REAL.map((name) => inputs[name] ?? null), a.control, slopes[0]!, slopes[1]!, slopes[2] ?? null],
      outputs: REAL.map((name) => shapeOf(inputs, name)),
      integers: integers(a),
    },
    gradientOf: REAL.filter((name) => inputs[name]),
  }),
});

const COMPLEX = ['u', 'delta', 'ARe', 'AIm', 'BRe', 'BIm', 'CRe', 'CIm', 'D', 'z', 'deltaBias', 'stateRe', 'stateIm'] as const;

/** Complex A. An imaginary part that was not given (real B or C) has no gradient either. */
export const complexScan = defineOperation<ScanAttributes>({
  name: 'selectiveScanComplex',
  forward: (inputs, a) => ({
    kernel: 'selectiveScanComplexForward',
    inputs: [...COMPLEX.map((name) => inputs[name] ?? null), a.control],
    outputs: [sequence(a), stateShape(a), stateShape(a), statesShape(a), statesShape(a)],
    integers: integers(a),
  }),
  backward: (inputs, slopes, a) => ({
    plan: {
      kernel: 'selectiveScanComplexBackward',
      inputs: [...COMPLEX.map((name) => inputs[name] ?? null), a.control, slopes[0]!, slopes[1]!, slopes[2]!, slopes[3] ?? null, slopes[4] ?? null],
      outputs: COMPLEX.map((name) => shapeOf(inputs, name)),
      integers: integers(a),
    },
    gradientOf: COMPLEX.filter((name) => inputs[name]),
  }),
});
