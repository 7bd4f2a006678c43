import { defineOperation } from '../common/define-operation.ts';

export interface SsdAttributes {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly headWidth: number;
  readonly groups: number;
  readonly stateSize: number;
  readonly softplus: boolean;
  readonly stateEvery: number;
  readonly varyingDecay: boolean;
  readonly wideSkip: boolean;
  readonly dtLeast: number;
  readonly dtMost: number;
  readonly control: Uint8Array | null;
}

const integers = (a: SsdAttributes): number[] => [
  a.batch, a.length, a.heads, a.headWidth, a.groups, a.stateSize, a.softplus ? 1 : 0, a.stateEvery, a.varyingDecay ? 1 : 0, a.wideSkip ? 1 : 0,
];
const stateShape = (a: SsdAttributes): number[] => [a.heads, a.headWidth, a.stateSize];
const INPUTS = ['x', 'dt', 'A', 'B', 'C', 'D', 'z', 'dtBias', 'state'] as const;

/** Inputs by the names of `INPUTS`; outputs y, final state and, where asked for, states. */
export const stateSpaceDual = defineOperation<SsdAttributes>({
  name: 'ssdScan',
  forward: (inputs, a) => ({
    kernel: 'ssdScanForward',
    inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.control],
    outputs: [
      [a.batch, a.length, a.heads, a.headWidth], [a.batch, ...stateShape(a)],
      a.stateEvery === 0 ? null : [a.batch, Math.ceil(a.length / a.stateEvery), ...stateShape(a)],
    ],
    integers: integers(a),
    scalars: [a.dtLeast, a.dtMost],
  }),
  backward: (inputs, slopes, a) => ({
    plan: {
      kernel: 'ssdScanBackward',
      inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.control, slopes[0]!, slopes[1]!, slopes[2] ?? null],
      outputs: INPUTS.map((name) => inputs[name]?.shape ?? null),
      integers: integers(a),
      scalars: [a.dtLeast, a.dtMost],
    },
    gradientOf: INPUTS.filter((name) => inputs[name]),
  }),
});
