import * as tf from '@tensorflow/tfjs';
import type { Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs';
import { nonlinearScan as fusedScan } from '@mamba360/ssm/ops';
import type { KernelCall } from '@mamba360/ssm/kernels';
import type { OperationBenchmark, Size } from './operation.ts';
import { inputOf, namedCall } from './named-call.ts';
import { sigmoid, waves } from './values.ts';

function naive(call: KernelCall, { B, L, E }: Size): Float32Array {
  const x = inputOf(call, 'x'), recurrent = inputOf(call, 'R'), output = new Float32Array(B * L * E), gates = new Float32Array(4 * E), cell = new Float32Array(E), hidden = new Float32Array(E);
  for (let b = 0; b < B; b++) {
    cell.fill(0);
    hidden.fill(0);
    for (let t = 0; t < L; t++) {
      const row = b * L + t;
      for (let k = 0; k < 4 * E; k++) gates[k] = x[row * 4 * E + k]!;
      for (let p = 0; p < E; p++) for (let k = 0; k < 4 * E; k++) gates[k]! += hidden[p]! * recurrent[p * 4 * E + k]!;
      for (let e = 0; e < E; e++) {
        cell[e] = sigmoid(gates[E + e]!) * cell[e]! + sigmoid(gates[e]!) * Math.tanh(gates[2 * E + e]!);
        hidden[e] = sigmoid(gates[3 * E + e]!) * Math.tanh(cell[e]!);
        output[row * E + e] = hidden[e]!;
      }
    }
  }
  return output;
}

function composed(x: Tensor, recurrent: Tensor): Tensor {
  const [B, L, width] = x.shape as [number, number, number], E = width / 4, matrix = tf.reshape(recurrent, [E, width]) as Tensor2D;
  let hidden: Tensor = tf.zeros([B, E]), cell: Tensor = tf.zeros([B, E]);
  const outputs: Tensor[] = [];
  for (let t = 0; t < L; t++) {
    const gates = tf.add(tf.reshape(tf.slice(x, [0, t, 0], [B, 1, width]), [B, width]), tf.matMul(hidden as Tensor2D, matrix));
    const [i, f, g, o] = tf.split(gates, 4, 1) as [Tensor, Tensor, Tensor, Tensor];
    cell = tf.add(tf.mul(tf.sigmoid(f), cell), tf.mul(tf.sigmoid(i), tf.tanh(g)));
    hidden = tf.mul(tf.sigmoid(o), tf.tanh(cell));
    outputs.push(tf.expandDims(hidden, 1));
  }
  return tf.concat(outputs as Tensor3D[], 1);
}

/** The LSTM's recurrence, one dense head: the input projection is not part of it. */
export const nonlinearScan: OperationBenchmark = {
  name: 'nonlinearScan', folder: 'nonlinear-scan', kernel: 'nonlinearScanForward', kind: 'recurrent',
  settings: 'LSTM, one head of width E',
  call: ({ B, L, E }) => namedCall('nonlinearScanForward', {
    inputs: { x: waves(4 * B * L * E), R: waves(4 * E * E, 3, 0.3) }, outputs: { h: B * L * E, finalH: B * E, finalC: B * E }, integers: { B, L, H: 1, P: E, kind: 0, unfolds: 1 }, scalars: { timeStep: 1 },
  }),
  naive,
  work: ({ B, L, E }) => ({ reads: 4 * B * L * E, writes: B * L * E, multiplyAdds: 4 * B * L * E * E, exponentials: 5 * B * L * E }),
  mix: [4, 1],
  tensors: {
    inputs: ({ B, L, E }) => [['x', [B, L, 4 * E]], ['R', [1, E, 4 * E]]],
    fused: (x, recurrent) => fusedScan(x!, recurrent!, { kind: 'lstm' }).output,
    composed: (x, recurrent) => composed(x!, recurrent!),
  },
  carry: [['finalH', 'initialH'], ['finalC', 'initialC']],
};
