import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { ssdScan as fusedScan } from '@mamba360/ssm/ops';
import type { KernelCall } from '@mamba360/ssm/kernels';
import { inputOf, namedCall } from './named-call.ts';
import type { OperationBenchmark, Size, Work } from './operation.ts';
import { floats, wave, waves } from './values.ts';

interface SsdShape { readonly B: number; readonly L: number; readonly H: number; readonly P: number; readonly N: number }

/** Steps of a chunk of the kernel (`kernels/ssd-scan.h`): inside one, pairs of steps are multiplied. */
const Q = 64;
const COMPOSED_LONGEST = 4096;

/** Mamba-2's call: one group, softplus, bias and skip. */
export function ssdCall({ B, L, H, P, N }: SsdShape): KernelCall {
  return namedCall('ssdScanForward', {
    inputs: {
      x: waves(B * L * H * P), dt: floats(B * L * H, (i) => -3 + wave(i + 1)), A: floats(H, (h) => -1 - (h % 16)), B: waves(B * L * N, 5), C: waves(B * L * N, 9), D: floats(H, () => 1), dtBias: waves(H, 0, 0.1),
    },
    outputs: { y: B * L * H * P, finalState: B * H * P * N },
    integers: { B, L, H, P, G: 1, N, softplus: 1 },
    scalars: { dtLeast: 0, dtMost: Infinity },
  });
}

/** Arithmetic of the chunked form with triangles counted as triangles: C B^T and its product with x inside a chunk, the state written and read. */
export function ssdWork({ B, L, H, P, N }: SsdShape): Work {
  return { reads: B * L * (H * P + H + 2 * N), writes: B * L * H * P, multiplyAdds: (B * L * (Q * N + H * (Q * P + 4 * N * P))) / 2, exponentials: B * L * H };
}

const shapeOf = ({ B, L, E }: Size): SsdShape => {
  const P = Math.min(64, E / 4);
  return { B, L, H: E / P, P, N: 2 * P };
};

function naive(call: KernelCall, size: Size): Float32Array {
  const { B, L, H, P, N } = shapeOf(size);
  const x = inputOf(call, 'x'), dt = inputOf(call, 'dt'), A = inputOf(call, 'A'), projectB = inputOf(call, 'B'), projectC = inputOf(call, 'C'), D = inputOf(call, 'D'), bias = inputOf(call, 'dtBias');
  const y = new Float32Array(B * L * H * P), state = new Float32Array(H * P * N);
  for (let b = 0; b < B; b++) {
    state.fill(0);
    for (let t = 0; t < L; t++) {
      const row = b * L + t;
      for (let h = 0; h < H; h++) {
        const step = Math.log1p(Math.exp(dt[row * H + h]! + bias[h]!)), decay = Math.exp(step * A[h]!);
        for (let p = 0; p < P; p++) {
          const at = (row * H + h) * P + p, input = step * x[at]!, first = (h * P + p) * N;
          let sum = D[h]! * x[at]!;
          for (let n = 0; n < N; n++) {
            const value = decay * state[first + n]! + input * projectB[row * N + n]!;
            state[first + n] = value;
            sum += value * projectC[row * N + n]!;
          }
          y[at] = sum;
        }
      }
    }
  }
  return y;
}

/** The form as one matrix, as the paper writes it: (C B^T masked by the products of decays) dt x. */
function composed(x: Tensor, dt: Tensor, A: Tensor, projectB: Tensor, projectC: Tensor, D: Tensor, bias: Tensor): Tensor {
  const L = x.shape[1]!;
  const step = tf.softplus(tf.add(dt, bias)); // [B, L, H]
  const sums = tf.transpose(tf.cumsum(tf.mul(step, A), 1), [0, 2, 1]); // [B, H, L]
  const past = tf.linalg.bandPart(tf.ones([L, L]), -1, 0);
  const decays = tf.mul(tf.exp(tf.minimum(tf.sub(tf.expandDims(sums, 3), tf.expandDims(sums, 2)), 0)), past); // [B, H, L, L]
  const scores = tf.expandDims(tf.matMul(projectC, projectB, false, true), 1);
  const inputs = tf.transpose(tf.mul(x, tf.expandDims(step, 3)), [0, 2, 1, 3]); // [B, H, L, P]
  const mixed = tf.transpose(tf.matMul(tf.mul(decays, scores), inputs), [0, 2, 1, 3]);
  return tf.add(mixed, tf.mul(x, tf.expandDims(D, 1)));
}

export const ssdScan: OperationBenchmark = {
  name: 'ssdScan', folder: 'ssd-scan', kernel: 'ssdScanForward', kind: 'recurrent',
  settings: 'heads of P = 16, N = 32, one group, softplus, skip',
  call: (size) => ssdCall(shapeOf(size)),
  naive,
  work: (size) => ssdWork(shapeOf(size)),
  mix: [1, 1],
  tensors: {
    inputs: (size) => {
      const { B, L, H, P, N } = shapeOf(size);
      return [['x', [B, L, H, P]], ['dt', [B, L, H]], ['A', [H]], ['B', [B, L, 1, N]], ['C', [B, L, 1, N]], ['D', [H]], ['dtBias', [H]]];
    },
    fused: (x, dt, A, projectB, projectC, D, dtBias) => fusedScan(x!, dt!, A!, projectB!, projectC!, { D, dtBias, dtSoftplus: true }).output,
    composed: (x, dt, A, projectB, projectC, D, bias) => composed(x!, dt!, A!, tf.squeeze(projectB!, [2]), tf.squeeze(projectC!, [2]), D!, bias!),
    composedLongest: COMPOSED_LONGEST,
  },
  carry: [['finalState', 'initialState']],
};
