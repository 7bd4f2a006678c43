import { defineOperation } from '../common/define-operation.ts';

export interface WeightedMeanAttributes {
  readonly batch: number;
  readonly length: number;
  readonly channels: number;
  readonly control: Uint8Array | null;
}

const integers = (a: WeightedMeanAttributes): number[] => [a.batch, a.length, a.channels];
const INPUTS = ['k', 'v', 'decay', 'bonus', 'numerator', 'denominator', 'maximum'] as const;

export const weightedMean = defineOperation<WeightedMeanAttributes>({
  name: 'wkv4',
  forward: (inputs, a) => {
    const state = [a.batch, a.channels];
    return {
      kernel: 'wkv4Forward',
      inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.control],
      outputs: [[a.batch, a.length, a.channels], state, state, state],
      integers: integers(a),
    };
  },
  backward: (inputs, slopes, a) => ({
    plan: {
      kernel: 'wkv4Backward',
      inputs: [...INPUTS.map((name) => inputs[name] ?? null), a.control, ...slopes],
      outputs: INPUTS.map((name) => inputs[name]?.shape ?? null),
      integers: integers(a),
    },
    gradientOf: INPUTS.filter((name) => inputs[name]),
  }),
});
