import { defineOperation } from '../common/define-operation.ts';
import type { ExpertOrder } from './route.ts';

export interface ExpertAttributes extends ExpertOrder {
  readonly rows: number;
  readonly inner: number;
  readonly hidden: number;
  readonly experts: number;
  readonly choices: number;
  readonly activation: 'swiglu' | 'gelu' | 'relu';
}

const ACTIVATIONS = { swiglu: 0, gelu: 1, relu: 2 } as const;
const integers = (a: ExpertAttributes): number[] => [a.rows, a.inner, a.hidden, a.experts, a.choices, ACTIVATIONS[a.activation], a.blocks.length / 3];
const INPUTS = ['x', 'first', 'second', 'gates'] as const;

/** Output: the gated sum of the chosen experts. */
export const experts = defineOperation<ExpertAttributes>({
  name: 'mixtureOfExperts',
  forward: (inputs, a) => ({
    kernel: 'mixtureOfExpertsForward',
    inputs: [...INPUTS.map((name) => inputs[name]!), a.order, a.blocks],
    outputs: [[a.rows, a.inner]],
    integers: integers(a),
  }),
  backward: (inputs, slopes, a) => ({
    plan: {
      kernel: 'mixtureOfExpertsBackward',
      inputs: [...INPUTS.map((name) => inputs[name]!), a.order, a.blocks, slopes[0]!, a.offsets],
      outputs: INPUTS.map((name) => inputs[name]!.shape),
      integers: integers(a),
    },
    gradientOf: INPUTS,
  }),
});
