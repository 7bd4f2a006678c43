import { defineOperation } from '../common/define-operation.ts';

export interface RmsNormAttributes {
  readonly rows: number;
  readonly width: number;
  readonly groups: number;
  readonly gateBeforeNorm: boolean;
  readonly epsilon: number;
}

const integers = (a: RmsNormAttributes): number[] => [a.rows, a.width, a.groups, a.gateBeforeNorm ? 1 : 0];
const INPUTS = ['x', 'weight', 'z', 'bias'] as const;

export const normalisation = defineOperation<RmsNormAttributes>({
  name: 'rmsNorm',
  forward: (inputs, a) => ({
    kernel: 'rmsNormForward',
    inputs: INPUTS.map((name) => inputs[name] ?? null),
    outputs: [inputs['x']!.shape],
    integers: integers(a),
    scalars: [a.epsilon],
  }),
  backward: (inputs, slopes, a) => ({
    plan: {
      kernel: 'rmsNormBackward',
      inputs: [...INPUTS.map((name) => inputs[name] ?? null), slopes[0]!],
      outputs: INPUTS.map((name) => inputs[name]?.shape ?? null),
      integers: integers(a),
      scalars: [a.epsilon],
    },
    gradientOf: INPUTS.filter((name) => inputs[name]),
  }),
});
