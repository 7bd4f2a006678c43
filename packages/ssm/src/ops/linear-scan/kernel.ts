import { defineOperation } from '../common/define-operation.ts';

export interface LinearScanAttributes {
  readonly batch: number;
  readonly length: number;
  readonly channels: number;
  readonly varying: boolean;
  readonly reverse: boolean;
  readonly control: Uint8Array | null;
}

const integers = (s: LinearScanAttributes): number[] => [s.batch, s.length, s.channels, s.varying ? 1 : 0, s.reverse ? 1 : 0];
const sequence = (s: LinearScanAttributes): number[] => [s.batch, s.length, s.channels];
const stateShape = (s: LinearScanAttributes): number[] => [s.batch, s.channels];

const REAL = ['b', 'a', 'state'] as const;

/** Real form: outputs x and the final state. */
export const realLinearScan = defineOperation<LinearScanAttributes>({
  name: 'linearScan',
  forward: (inputs, s) => ({
    kernel: 'linearScanForward',
    inputs: [...REAL.map((name) => inputs[name] ?? null), s.control],
    outputs: [sequence(s), stateShape(s)],
    integers: integers(s),
  }),
  backward: (inputs, slopes, s) => ({
    plan: {
      kernel: 'linearScanBackward',
      inputs: [...REAL.map((name) => inputs[name] ?? null), s.control, slopes[0]!, slopes[1]!],
      outputs: REAL.map((name) => inputs[name]?.shape ?? null),
      integers: integers(s),
    },
    gradientOf: REAL.filter((name) => inputs[name]),
  }),
});

const COMPLEX = ['bRe', 'bIm', 'aRe', 'aIm', 'stateRe', 'stateIm'] as const;

/** Complex form: outputs x and the final state as pairs. A real b has no imaginary part and no gradient for one. */
export const complexLinearScan = defineOperation<LinearScanAttributes>({
  name: 'linearScanComplex',
  forward: (inputs, s) => ({
    kernel: 'linearScanComplexForward',
    inputs: [...COMPLEX.map((name) => inputs[name] ?? null), s.control],
    outputs: [sequence(s), sequence(s), stateShape(s), stateShape(s)],
    integers: integers(s),
  }),
  backward: (inputs, slopes, s) => ({
    plan: {
      kernel: 'linearScanComplexBackward',
      inputs: [...COMPLEX.map((name) => inputs[name] ?? null), s.control, slopes[0]!, slopes[1]!, slopes[2]!, slopes[3]!],
      outputs: COMPLEX.map((name) => inputs[name]?.shape ?? null),
      integers: integers(s),
    },
    gradientOf: COMPLEX.filter((name) => inputs[name]),
  }),
});
