import { defineOperation } from '../common/define-operation.ts';

export interface LegsAttributes {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly stateSize: number;
  readonly channels: number;
  readonly alpha: number;
  readonly steps: Int32Array | null;
  readonly control: Uint8Array | null;
}

const integers = (a: LegsAttributes): number[] => [a.batch, a.length, a.heads, a.stateSize, a.channels];
const INPUTS = ['u', 'c', 'state'] as const;

export const legsMemoryScan = defineOperation<LegsAttributes>({
  name: 'legsScan',
  forward: (inputs, a) => ({
    kernel: 'legsScanForward',
    inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.steps, a.control],
    outputs: [[a.batch, a.length, a.channels, a.heads], [a.batch, a.heads, a.stateSize]],
    integers: integers(a), scalars: [a.alpha],
  }),
  backward: (inputs, slopes, a) => ({
    plan: {
      kernel: 'legsScanBackward',
      inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.steps, a.control, slopes[0]!, slopes[1]!],
      outputs: INPUTS.map((name) => inputs[name]?.shape ?? null),
      integers: integers(a), scalars: [a.alpha],
    },
    gradientOf: INPUTS.filter((name) => inputs[name]),
  }),
});
