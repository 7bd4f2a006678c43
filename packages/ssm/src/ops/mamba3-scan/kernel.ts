import { defineOperation } from '../common/define-operation.ts';

export interface Mamba3Attributes {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly headWidth: number;
  readonly groups: number;
  readonly stateSize: number;
  readonly rank: number;
  readonly rotated: number;
  readonly sharedAngles: boolean;
  readonly wrapAngles: boolean;
  readonly normEpsilon: number;
  readonly control: Uint8Array | null;
}

const integers = (a: Mamba3Attributes): number[] => [
  a.batch, a.length, a.heads, a.headWidth, a.groups, a.stateSize, a.rank, a.rotated, a.sharedAngles ? 1 : 0, a.wrapAngles ? 1 : 0,
];
const INPUTS = [
  'x', 'dt', 'logDecay', 'trap', 'B', 'C', 'angles', 'bBias', 'cBias', 'D', 'z', 'xProjection', 'zProjection', 'outProjection', 'normWeight',
  'stateAngle', 'stateSsm', 'stateB', 'stateX',
] as const;

/** Inputs by the names of `INPUTS`; outputs y and the four parts of the state. */
export const trapezoidalScan = defineOperation<Mamba3Attributes>({
  name: 'mamba3Scan',
  forward: (inputs, a) => ({
    kernel: 'mamba3ScanForward',
    inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.control],
    outputs: [
      [a.batch, a.length, a.heads, a.headWidth], [a.batch, a.heads, a.rotated], [a.batch, a.heads, a.headWidth, a.stateSize],
      [a.batch, a.heads, a.rank, a.stateSize], [a.batch, a.heads, a.rank, a.headWidth],
    ],
    integers: integers(a),
    scalars: [a.normEpsilon],
  }),
  backward: (inputs, slopes, a) => ({
    plan: {
      kernel: 'mamba3ScanBackward',
      inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.control, ...slopes.slice(0, 5)],
      outputs: INPUTS.map((name) => inputs[name]?.shape ?? null),
      integers: integers(a),
      scalars: [a.normEpsilon],
    },
    gradientOf: INPUTS.filter((name) => inputs[name]),
  }),
});
