import { defineOperation } from '../common/define-operation.ts';
import type { DecayKind, NormaliserKind } from './reference.ts';

export interface GatedAttentionAttributes {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly keyWidth: number;
  readonly valueWidth: number;
  readonly decayKind: DecayKind;
  readonly normaliser: NormaliserKind;
  readonly hasGate: boolean;
  readonly scale: number;
  readonly epsilon: number;
  readonly control: Uint8Array | null;
}

const DECAY_KINDS: readonly DecayKind[] = ['none', 'head', 'headKey', 'step', 'stepKey'];
const NORMALISER_KINDS: readonly NormaliserKind[] = ['none', 'sum', 'maximum'];
const INPUTS = ['q', 'k', 'v', 'decay', 'bonus', 'beta', 'a', 'b', 'inputGate', 'matrix', 'normaliser', 'maximum'] as const;

const integers = (a: GatedAttentionAttributes): number[] =>
  [a.batch, a.length, a.heads, a.keyWidth, a.valueWidth, DECAY_KINDS.indexOf(a.decayKind), NORMALISER_KINDS.indexOf(a.normaliser)];

/** Outputs: the sequence, the final matrix, with a normaliser its final sum, with an input gate the final log-maximum. */
export const gatedAttention = defineOperation<GatedAttentionAttributes>({
  name: 'gatedLinearAttention',
  forward: (inputs, a) => ({
    kernel: 'gatedLinearAttentionForward',
    inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.control],
    outputs: [
      [a.batch, a.length, a.heads, a.valueWidth], [a.batch, a.heads, a.keyWidth, a.valueWidth],
      a.normaliser === 'none' ? null : [a.batch, a.heads, a.keyWidth], a.hasGate ? [a.batch, a.heads] : null,
    ],
    integers: integers(a),
    scalars: [a.scale, a.epsilon],
  }),
  backward: (inputs, slopes, a) => ({
    plan: {
      kernel: 'gatedLinearAttentionBackward',
      inputs: [
        ...INPUTS.map((name) => inputs[name] ?? null), a.control, slopes[0]!, slopes[1]!,
        a.normaliser === 'none' ? null : slopes[2]!, a.hasGate ? slopes.at(-1)! : null,
      ],
      outputs: INPUTS.map((name) => inputs[name]?.shape ?? null),
      integers: integers(a),
      scalars: [a.scale, a.epsilon],
    },
    gradientOf: INPUTS.filter((name) => inputs[name]),
  }),
});
