import { defineOperation } from '../common/define-operation.ts';
import type { RecurrentKind } from './reference.ts';

export interface RecurrenceAttributes {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly headWidth: number;
  readonly kind: RecurrentKind;
  readonly unfolds: number;
  readonly timeStep: number;
  readonly control: Uint8Array | null;
}

/** Numbers in the kernel's order, gates, and states after `hidden`. */
export const KINDS: Readonly<Record<RecurrentKind, { readonly number: number; readonly gates: number; readonly more: readonly string[] }>> = {
  lstm: { number: 0, gates: 4, more: ['cell'] },
  gru: { number: 1, gates: 3, more: [] },
  rnn: { number: 2, gates: 1, more: [] },
  slstm: { number: 3, gates: 4, more: ['cell', 'normaliser', 'maximum'] },
  ltc: { number: 4, gates: 1, more: [] },
};

const integers = (a: RecurrenceAttributes): number[] => [a.batch, a.length, a.heads, a.headWidth, KINDS[a.kind].number, a.unfolds];
const FIRST = ['x', 'recurrent', 'recurrentBias', 'hidden', 'cell'] as const;
const LAST = ['normaliser', 'maximum', 'constants'] as const;

/** Outputs: hidden sequence, then the final states: hidden and the kind's others. */
export const recurrence = defineOperation<RecurrenceAttributes>({
  name: 'nonlinearScan',
  forward: (inputs, a) => {
    const state = [a.batch, a.heads * a.headWidth];
    const { more } = KINDS[a.kind];
    return {
      kernel: 'nonlinearScanForward',
      inputs: [...FIRST.map((name) => inputs[name] ?? null), a.control, ...LAST.map((name) => inputs[name] ?? null)],
      outputs: [[a.batch, a.length, a.heads * a.headWidth], state, ...['cell', 'normaliser', 'maximum'].map((name) => (more.includes(name) ? state : null))],
      integers: integers(a), scalars: [a.timeStep],
    };
  },
  backward: (inputs, slopes, a) => ({
    plan: {
      kernel: 'nonlinearScanBackward',
      inputs: [
        ...FIRST.map((name) => inputs[name] ?? null), a.control, ...LAST.map((name) => inputs[name] ?? null), ...[0, 1, 2, 3, 4].map((i) => slopes[i] ?? null),
      ],
      outputs: [...FIRST, ...LAST].map((name) => inputs[name]?.shape ?? null),
      integers: integers(a), scalars: [a.timeStep],
    },
    gradientOf: [...FIRST, ...LAST].filter((name) => inputs[name]),
  }),
});
