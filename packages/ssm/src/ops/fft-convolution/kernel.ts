import { defineOperation } from '../common/define-operation.ts';

export interface LongConvolutionAttributes {
  readonly batch: number;
  readonly length: number;
  readonly channels: number;
  readonly taps: number;
  readonly kernels: number;
  readonly columns: number;
  readonly kernelColumns: number;
  readonly centreRow: number;
  readonly centreColumn: number;
  /** 0 by cost, 1 direct sums, 2 FFT. */
  readonly method: number;
  /** The final history is an output. */
  readonly withState: boolean;
  readonly control: Uint8Array | null;
  /** Shape of the output, [B, L, M, E] in any grouping. */
  readonly outputShape: number[];
}

const integers = (a: LongConvolutionAttributes): number[] =>
  [a.batch, a.length, a.channels, a.taps, a.kernels, a.columns, a.kernelColumns, a.centreRow, a.centreColumn, a.method];
const INPUTS = ['u', 'kernel', 'D', 'preGate', 'postGate', 'history'] as const;

export const longConvolution = defineOperation<LongConvolutionAttributes>({
  name: 'fftConvolution',
  forward: (inputs, a) => ({
    kernel: 'fftConvolutionForward',
    inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.control],
    outputs: [a.outputShape, a.withState ? [a.batch, a.taps - 1, a.channels] : null],
    integers: integers(a),
  }),
  backward: (inputs, slopes, a) => ({
    plan: {
      kernel: 'fftConvolutionBackward',
      inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.control, slopes[0]!, slopes[1] ?? null],
      outputs: INPUTS.map((name) => inputs[name]?.shape ?? null),
      integers: integers(a),
    },
    gradientOf: INPUTS.filter((name) => inputs[name]),
  }),
});
