import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { fftConvolution as fusedConvolution } from '@mamba360/ssm/ops';
import type { KernelCall } from '@mamba360/ssm/kernels';
import { inputOf, namedCall } from './named-call.ts';
import type { OperationBenchmark, Size } from './operation.ts';
import { floats, wave, waves } from './values.ts';

/** The direct sum: L squared. */
function naive(call: KernelCall, { B, L, E }: Size): Float32Array {
  const u = inputOf(call, 'u'), kernel = inputOf(call, 'kernel'), D = inputOf(call, 'D'), y = new Float32Array(B * L * E);
  for (let b = 0; b < B; b++) {
    for (let e = 0; e < E; e++) {
      for (let t = 0; t < L; t++) {
        let sum = D[e]! * u[(b * L + t) * E + e]!;
        for (let s = 0; s <= t; s++) sum += kernel[e * L + s]! * u[(b * L + t - s) * E + e]!;
        y[(b * L + t) * E + e] = sum;
      }
    }
  }
  return y;
}

function composed(u: Tensor, kernel: Tensor, D: Tensor): Tensor {
  const L = u.shape[1]!, n = 2 ** Math.ceil(Math.log2(2 * L));
  const channels = tf.transpose(u, [0, 2, 1]); // [B, E, L]
  const spectrum = tf.mul(tf.spectral.rfft(channels, n), tf.expandDims(tf.spectral.rfft(kernel, n), 0));
  const sums = tf.slice(tf.spectral.irfft(spectrum), [0, 0, 0], channels.shape as [number, number, number]);
  return tf.add(tf.transpose(sums, [0, 2, 1]), tf.mul(u, D));
}

/** Length of the real transforms: nothing of the end may wrap around to the begin. */
export const transformLength = (L: number): number => 2 ** Math.ceil(Math.log2(2 * L));

/** Causal, a kernel as long as the sequence: S4, H3, Hyena. */
export const fftConvolution: OperationBenchmark = {
  name: 'fftConvolution', folder: 'fft-convolution', kernel: 'fftConvolutionForward', kind: 'transform',
  settings: 'causal, K = L, skip',
  call: ({ B, L, E }) => namedCall('fftConvolutionForward', {
    inputs: { u: waves(B * L * E), kernel: floats(E * L, (i) => wave(i) * Math.exp(-(i % L) / (0.1 * L))), D: waves(E, 3) },
    outputs: { y: B * L * E },
    integers: { B, L, E, K: L, M: 1, columns: L, kernelColumns: L },
  }),
  naive,
  // Two transforms a sequence and channel, one a channel of the kernel, each 2.5 n log2 n.
  work: ({ B, L, E }) => ({
    reads: B * L * E + E * L, writes: B * L * E, multiplyAdds: 1.25 * transformLength(L) * Math.log2(transformLength(L)) * E * (2 * B + 1), exponentials: 0,
  }),
  mix: [2, 1],
  naiveGrowth: 2,
  tensors: {
    inputs: ({ B, L, E }) => [['u', [B, L, E]], ['kernel', [E, L]], ['D', [E]]],
    fused: (u, kernel, D) => fusedConvolution(u!, kernel!, { D }).output,
    composed: (u, kernel, D) => composed(u!, kernel!, D!),
    withoutComposed: ['wasm'],
  },
};
