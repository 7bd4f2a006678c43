import { defineOperation } from '../common/define-operation.ts';

export interface CrossEntropyAttributes {
  readonly rows: number;
  readonly inner: number;
  readonly vocabSize: number;
  /** -1: ignored. */
  readonly targets: Int32Array;
}

const integers = (a: CrossEntropyAttributes): number[] => [a.rows, a.inner, a.vocabSize];
const INPUTS = ['x', 'weight', 'bias'] as const;

/** Output: the loss of each row. */
export const crossEntropy = defineOperation<CrossEntropyAttributes>({
  name: 'linearCrossEntropy',
  forward: (inputs, a) => ({
    kernel: 'linearCrossEntropyForward',
    inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.targets],
    outputs: [[a.rows]],
    integers: integers(a),
  }),
  backward: (inputs, slopes, a) => ({
    plan: {
      kernel: 'linearCrossEntropyBackward',
      inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.targets, slopes[0]!],
      outputs: INPUTS.map((name) => inputs[name]?.shape ?? null),
      integers: integers(a),
    },
    gradientOf: INPUTS.filter((name) => inputs[name]),
  }),
});
