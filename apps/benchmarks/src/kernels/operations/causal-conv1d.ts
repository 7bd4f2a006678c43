import * as tf from '@tensorflow/tfjs';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs';
import { causalConv1d as fusedConvolution } from '@mamba360/ssm/ops';
import type { KernelCall } from '@mamba360/ssm/kernels';
import type { OperationBenchmark, Size } from './operation.ts';
import { inputOf, namedCall } from './named-call.ts';
import { sigmoid, waves } from './values.ts';

const W = 4;

function naive(call: KernelCall, { B, L, E }: Size): Float32Array {
  const x = inputOf(call, 'x'), weight = inputOf(call, 'weight'), bias = inputOf(call, 'bias'), y = new Float32Array(B * L * E);
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < L; t++) {
      for (let e = 0; e < E; e++) {
        let sum = bias[e]!;
        for (let w = Math.max(0, W - 1 - t); w < W; w++) sum += weight[e * W + w]! * x[(b * L + t - W + 1 + w) * E + e]!;
        y[(b * L + t) * E + e] = sum * sigmoid(sum);
      }
    }
  }
  return y;
}

/** As a depthwise convolution of an image of one row, padded on the left. */
function composed(x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  const [B, L, E] = x.shape as [number, number, number];
  const image = tf.pad(tf.reshape(x, [B, 1, L, E]), [[0, 0], [0, 0], [W - 1, 0], [0, 0]]) as Tensor4D;
  const filter = tf.reshape(tf.transpose(weight), [1, W, E, 1]) as Tensor4D;
  const sum = tf.add(tf.depthwiseConv2d(image, filter, 1, 'valid'), bias);
  return tf.reshape(tf.mul(sum, tf.sigmoid(sum)), [B, L, E]);
}

export const causalConv1d: OperationBenchmark = {
  name: 'causalConv1d', folder: 'causal-conv1d', kernel: 'causalConv1dForward', kind: 'recurrent',
  settings: `W = ${W}, bias, SiLU`,
  call: ({ B, L, E }) => namedCall('causalConv1dForward', {
    inputs: { x: waves(B * L * E), weight: waves(E * W, 3), bias: waves(E, 5) }, outputs: { y: B * L * E, finalTail: B * (W - 1) * E }, integers: { B, L, E, W, silu: 1 },
  }),
  naive,
  work: ({ B, L, E }) => ({ reads: B * L * E, writes: B * L * E, multiplyAdds: W * B * L * E, exponentials: B * L * E }),
  mix: [1, 1],
  tensors: {
    inputs: ({ B, L, E }) => [['x', [B, L, E]], ['weight', [E, W]], ['bias', [E]]],
    fused: (x, weight, bias) => fusedConvolution(x!, weight!, { bias, activation: 'silu' }).output,
    composed: (x, weight, bias) => composed(x!, weight!, bias!),
  },
  carry: [['finalTail', 'tail']],
};

/** The sum alone, as the bar on its bandwidth is read in its barest form. */
export const causalConv1dPlain: Omit<OperationBenchmark, 'naive'> = {
  name: 'causalConv1d', folder: 'causal-conv1d', kernel: 'causalConv1dForward', kind: 'recurrent', settings: `W = ${W} alone`,
  call: ({ B, L, E }) => namedCall('causalConv1dForward', { inputs: { x: waves(B * L * E), weight: waves(E * W, 3) }, outputs: { y: B * L * E, finalTail: B * (W - 1) * E }, integers: { B, L, E, W } }),
  work: ({ B, L, E }) => ({ reads: B * L * E, writes: B * L * E, multiplyAdds: W * B * L * E, exponentials: 0 }),
  mix: [1, 1],
};
