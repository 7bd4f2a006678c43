import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { selectiveScan as fusedScan } from '@mamba360/ssm/ops';
import type { KernelCall } from '@mamba360/ssm/kernels';
import type { OperationBenchmark, Size } from './operation.ts';
import { inputOf, namedCall } from './named-call.ts';
import { scanByDoubling } from './scan-by-doubling.ts';
import { floats, sigmoid, wave, waves } from './values.ts';

const N = 16;
const NAMES = ['u', 'delta', 'A', 'B', 'C', 'D', 'z', 'deltaBias'] as const;

function naive(call: KernelCall, { B, L, E }: Size): Float32Array {
  const [u, delta, A, projectB, projectC, D, z, bias] = NAMES.map((name) => inputOf(call, name)) as [Float32Array, Float32Array, Float32Array, Float32Array, Float32Array, Float32Array, Float32Array, Float32Array];
  const y = new Float32Array(B * L * E), state = new Float32Array(E * N);
  for (let b = 0; b < B; b++) {
    state.fill(0);
    for (let t = 0; t < L; t++) {
      for (let e = 0; e < E; e++) {
        const at = (b * L + t) * E + e, step = Math.log1p(Math.exp(delta[at]! + bias[e]!));
        let sum = 0;
        for (let n = 0; n < N; n++) {
          const h = state[e * N + n]! * Math.exp(step * A[e * N + n]!) + step * u[at]! * projectB[(b * L + t) * N + n]!;
          state[e * N + n] = h;
          sum += h * projectC[(b * L + t) * N + n]!;
        }
        y[at] = (sum + D[e]! * u[at]!) * z[at]! * sigmoid(z[at]!);
      }
    }
  }
  return y;
}

/** The recurrence as tfjs ops on all states at once. */
function composed(u: Tensor, delta: Tensor, A: Tensor, projectB: Tensor, projectC: Tensor, D: Tensor, z: Tensor, bias: Tensor): Tensor {
  const step = tf.softplus(tf.add(delta, bias));
  const decay = tf.exp(tf.mul(tf.expandDims(step, 3), A));
  const input = tf.mul(tf.expandDims(tf.mul(step, u), 3), tf.expandDims(projectB, 2));
  const states = scanByDoubling(decay, input); // [B, L, E, N]
  const read = tf.sum(tf.mul(states, tf.expandDims(projectC, 2)), 3);
  return tf.mul(tf.add(read, tf.mul(D, u)), tf.mul(z, tf.sigmoid(z)));
}

/** Mamba's scan with everything it uses. */
export const selectiveScan: OperationBenchmark = {
  name: 'selectiveScan', folder: 'selective-scan', kernel: 'selectiveScanForward', kind: 'recurrent',
  settings: `N = ${N}, softplus, delta bias, D, gate`,
  call: ({ B, L, E }) => namedCall('selectiveScanForward', {
    inputs: {
      u: waves(B * L * E), delta: floats(B * L * E, (i) => -3 + wave(i + 1)), A: floats(E * N, (i) => -1 - (i % N)), B: waves(B * L * N, 5), C: waves(B * L * N, 9),
      D: floats(E, () => 1), z: waves(B * L * E, 7), deltaBias: waves(E, 0, 0.1),
    },
    outputs: { y: B * L * E, finalState: B * E * N },
    integers: { B, L, E, N, groupsB: 1, groupsC: 1, softplus: 1 },
  }),
  naive,
  work: ({ B, L, E }) => ({ reads: 3 * B * L * E + 2 * B * L * N, writes: B * L * E, multiplyAdds: 3 * B * L * E * N, exponentials: B * L * E * N }),
  mix: [3, 1],
  tensors: {
    inputs: ({ B, L, E }) => [['u', [B, L, E]], ['delta', [B, L, E]], ['A', [E, N]], ['B', [B, L, N]], ['C', [B, L, N]], ['D', [E]], ['z', [B, L, E]], ['deltaBias', [E]]],
    fused: (u, delta, A, projectB, projectC, D, z, deltaBias) => fusedScan(u!, delta!, A!, projectB!, projectC!, { D, z, deltaBias, deltaSoftplus: true }).output,
    composed: (u, delta, A, projectB, projectC, D, z, bias) => composed(u!, delta!, A!, projectB!, projectC!, D!, z!, bias!),
    composedLongest: 16_384,
  },
  carry: [['finalState', 'initialState']],
};
