import * as tf from '@tensorflow/tfjs';
import { rmsNorm as fusedNorm } from '@mamba360/ssm/ops';
import type { OperationBenchmark } from './operation.ts';
import { inputOf, namedCall } from './named-call.ts';
import { sigmoid, waves } from './values.ts';

const EPSILON = 1e-5;

/** The gated norm of Mamba-2: a row is a step. */
export const rmsNorm: OperationBenchmark = {
  name: 'rmsNorm', folder: 'rms-norm', kernel: 'rmsNormForward', kind: 'pointwise',
  settings: 'gated by silu(z) after the norm',
  call: ({ B, L, E }) => namedCall('rmsNormForward', {
    inputs: { x: waves(B * L * E), weight: waves(E, 3), z: waves(B * L * E, 7) }, outputs: { y: B * L * E }, integers: { R: B * L, D: E, groups: 1 }, scalars: { epsilon: EPSILON },
  }),
  naive(call, { B, L, E }) {
    const x = inputOf(call, 'x'), weight = inputOf(call, 'weight'), z = inputOf(call, 'z'), y = new Float32Array(B * L * E);
    for (let row = 0; row < B * L; row++) {
      let sum = 0;
      for (let e = 0; e < E; e++) sum += x[row * E + e]! ** 2;
      const scale = 1 / Math.sqrt(sum / E + EPSILON);
      for (let e = 0; e < E; e++) y[row * E + e] = x[row * E + e]! * scale * weight[e]! * z[row * E + e]! * sigmoid(z[row * E + e]!);
    }
    return y;
  },
  work: ({ B, L, E }) => ({ reads: 2 * B * L * E, writes: B * L * E, multiplyAdds: 3 * B * L * E, exponentials: B * L * E }),
  mix: [2, 1],
  tensors: {
    inputs: ({ B, L, E }) => [['x', [B, L, E]], ['weight', [E]], ['z', [B, L, E]]],
    fused: (x, weight, z) => fusedNorm(x!, weight!, { z, epsilon: EPSILON }),
    composed: (x, weight, z) => tf.mul(tf.mul(tf.div(x!, tf.sqrt(tf.add(tf.mean(tf.square(x!), -1, true), EPSILON))), weight!), tf.mul(z!, tf.sigmoid(z!))),
  },
};
