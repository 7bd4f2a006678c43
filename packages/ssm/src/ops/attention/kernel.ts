import { defineOperation } from '../common/define-operation.ts';

export interface AttentionAttributes {
  readonly batch: number;
  readonly length: number;
  readonly capacity: number;
  readonly heads: number;
  readonly groups: number;
  readonly keyWidth: number;
  readonly valueWidth: number;
  /** Elements of a key that turn; 0: none. */
  readonly rotary: number;
  readonly interleaved: boolean;
  readonly scale: number;
  readonly rows: Int32Array;
  readonly counts: Int32Array;
  readonly angles: number;
  readonly cosine: Float32Array | null;
  readonly sine: Float32Array | null;
  readonly wantsState: boolean;
}

const integers = (a: AttentionAttributes): number[] =>
  [a.batch, a.length, a.capacity, a.heads, a.groups, a.keyWidth, a.valueWidth, a.rotary, a.interleaved ? 1 : 0, a.angles];
const INPUTS = ['q', 'k', 'v', 'keys', 'values'] as const;

/** Outputs: y, and with `wantsState` the keys and values of the new state. */
export const attend = defineOperation<AttentionAttributes>({
  name: 'attention',
  forward: (inputs, a) => ({
    kernel: 'attentionForward',
    inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.rows, a.counts, a.cosine, a.sine],
    outputs: [
      [a.batch, a.length, a.heads, a.valueWidth],
      a.wantsState ? [a.batch, a.capacity, a.groups, a.keyWidth] : null, a.wantsState ? [a.batch, a.capacity, a.groups, a.valueWidth] : null,
    ],
    integers: integers(a), scalars: [a.scale],
  }),
  backward: (inputs, slopes, a) => ({
    plan: {
      kernel: 'attentionBackward',
      inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.rows, a.counts, a.cosine, a.sine, slopes[0]!, slopes[1] ?? null, slopes[2] ?? null],
      outputs: INPUTS.map((name) => inputs[name]?.shape ?? null),
      integers: integers(a), scalars: [a.scale],
    },
    gradientOf: INPUTS.filter((name) => inputs[name]),
  }),
});
