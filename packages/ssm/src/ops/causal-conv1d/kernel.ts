import { defineOperation } from '../common/define-operation.ts';

export interface ConvolutionAttributes {
  readonly batch: number;
  readonly length: number;
  readonly channels: number;
  readonly width: number;
  readonly silu: boolean;
  readonly control: Uint8Array | null;
}

const integers = (a: ConvolutionAttributes): number[] => [a.batch, a.length, a.channels, a.width, a.silu ? 1 : 0];
const INPUTS = ['x', 'weight', 'bias', 'state'] as const;

export const convolution = defineOperation<ConvolutionAttributes>({
  name: 'causalConv1d',
  forward: (inputs, a) => ({
    kernel: 'causalConv1dForward',
    inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.control],
    outputs: [[a.batch, a.length, a.channels], [a.batch, a.width - 1, a.channels]],
    integers: integers(a),
  }),
  backward: (inputs, slopes, a) => ({
    plan: {
      kernel: 'causalConv1dBackward',
      inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.control, slopes[0]!, slopes[1]!],
      outputs: INPUTS.map((name) => inputs[name]?.shape ?? null),
      integers: integers(a),
    },
    gradientOf: INPUTS.filter((name) => inputs[name]),
  }),
});
