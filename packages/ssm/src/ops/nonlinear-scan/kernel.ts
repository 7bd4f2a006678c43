import { defineOperation } from '../common/define-operation.ts';

export interface RecurrenceAttributes {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly headWidth: number;
  readonly kind: 'lstm' | 'gru';
  readonly control: Uint8Array | null;
}

const integers = (a: RecurrenceAttributes): number[] => [a.batch, a.length, a.heads, a.headWidth, a.kind === 'lstm' ? 0 : 1];
const INPUTS = ['x', 'recurrent', 'recurrentBias', 'hidden', 'cell'] as const;

/** Outputs: hidden sequence, final hidden state, and for an LSTM the final cell. */
export const recurrence = defineOperation<RecurrenceAttributes>({
  name: 'nonlinearScan',
  forward: (inputs, a) => {
    const state = [a.batch, a.heads * a.headWidth];
    return {
      kernel: 'nonlinearScanForward',
      inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.control],
      outputs: [[a.batch, a.length, a.heads * a.headWidth], state, a.kind === 'lstm' ? state : null],
      integers: integers(a),
    };
  },
  backward: (inputs, slopes, a) => ({
    plan: {
      kernel: 'nonlinearScanBackward',
      inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.control, slopes[0]!, slopes[1]!, slopes[2] ?? null],
      outputs: INPUTS.map((name) => inputs[name]?.shape ?? null),
      integers: integers(a),
    },
    gradientOf: INPUTS.filter((name) => inputs[name]),
  }),
});
