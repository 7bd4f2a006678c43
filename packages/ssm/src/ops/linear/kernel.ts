import { defineOperation } from '../common/define-operation.ts';

export interface LinearAttributes {
  readonly rows: number;
  readonly inner: number;
  readonly outer: number;
}

const integers = (a: LinearAttributes): number[] => [a.rows, a.inner, a.outer];
const INPUTS = ['x', 'weight', 'bias'] as const;

export const affineMap = defineOperation<LinearAttributes>({
  name: 'linear',
  forward: (inputs, a) => ({
    kernel: 'linearForward',
    inputs: INPUTS.map((name) => inputs[name] ?? null),
    outputs: [[...inputs['x']!.shape.slice(0, -1), a.outer]],
    integers: integers(a),
  }),
  backward: (inputs, slopes, a) => ({
    plan: {
      kernel: 'linearBackward',
      inputs: [inputs['x']!, inputs['weight']!, slopes[0]!],
      outputs: INPUTS.map((name) => inputs[name]?.shape ?? null),
      integers: integers(a),
    },
    gradientOf: INPUTS.filter((name) => inputs[name]),
  }),
});
