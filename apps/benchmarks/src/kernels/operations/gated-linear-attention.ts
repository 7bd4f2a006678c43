import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { gatedLinearAttention as fusedAttention } from '@mamba360/ssm/ops';
import type { KernelCall } from '@mamba360/ssm/kernels';
import { inputOf, namedCall } from './named-call.ts';
import type { OperationBenchmark, Size } from './operation.ts';
import { floats, wave, waves } from './values.ts';

/** Width of a head's keys and values. */
const K = 16, SCALE = K ** -0.5, DECAY_BY_STEP_AND_HEAD = 3, COMPOSED_LONGEST = 4096;

function naive(call: KernelCall, { B, L, E }: Size): Float32Array {
  const q = inputOf(call, 'q'), k = inputOf(call, 'k'), v = inputOf(call, 'v'), decay = inputOf(call, 'decay'), H = E / K, y = new Float32Array(B * L * E), state = new Float32Array(H * K * K);
  for (let b = 0; b < B; b++) {
    state.fill(0);
    for (let t = 0; t < L; t++) {
      for (let h = 0; h < H; h++) {
        const row = ((b * L + t) * H + h) * K, factor = Math.exp(decay[(b * L + t) * H + h]!);
        for (let i = 0; i < K; i++) {
          for (let j = 0; j < K; j++) {
            const at = (h * K + i) * K + j, value = factor * state[at]! + k[row + i]! * v[row + j]!;
            state[at] = value;
            y[row + j]! += SCALE * q[row + i]! * value;
          }
        }
      }
    }
  }
  return y;
}

/** The parallel form: scores of all pairs, masked by the products of decays. */
function composed(q: Tensor, k: Tensor, v: Tensor, decay: Tensor): Tensor {
  const L = q.shape[1]!, heads = (tensor: Tensor): Tensor => tf.transpose(tensor, [0, 2, 1, 3]);
  const sums = tf.transpose(tf.cumsum(decay, 1), [0, 2, 1]); // [B, H, L]
  const decays = tf.mul(tf.exp(tf.minimum(tf.sub(tf.expandDims(sums, 3), tf.expandDims(sums, 2)), 0)), tf.linalg.bandPart(tf.ones([L, L]), -1, 0));
  const scores = tf.mul(tf.matMul(heads(q), heads(k), false, true), tf.mul(decays, SCALE));
  return heads(tf.matMul(scores, heads(v)));
}

/** Decay of every step and head: between RetNet's constant one and GLA's by key. */
export const gatedLinearAttention: OperationBenchmark = {
  name: 'gatedLinearAttention', folder: 'gated-linear-attention', kernel: 'gatedLinearAttentionForward', kind: 'recurrent',
  settings: `heads of K = V = ${K}, decay by step and head`,
  call: ({ B, L, E }) => namedCall('gatedLinearAttentionForward', {
    inputs: { q: waves(B * L * E), k: waves(B * L * E, 3), v: waves(B * L * E, 5), decay: floats((B * L * E) / K, (i) => -0.1 + 0.1 * wave(i)) },
    outputs: { y: B * L * E, finalState: B * E * K },
    integers: { B, L, H: E / K, K, V: K, decayKind: DECAY_BY_STEP_AND_HEAD, normaliserKind: 0 },
    scalars: { scale: SCALE, epsilon: 0 },
  }),
  naive,
  work: ({ B, L, E }) => ({ reads: 3 * B * L * E + (B * L * E) / K, writes: B * L * E, multiplyAdds: 2 * B * L * E * K, exponentials: (B * L * E) / K }),
  mix: [3, 1],
  tensors: {
    inputs: ({ B, L, E }) => [['q', [B, L, E / K, K]], ['k', [B, L, E / K, K]], ['v', [B, L, E / K, K]], ['decay', [B, L, E / K]]],
    fused: (q, k, v, decay) => fusedAttention(q!, k!, v!, { decay, scale: SCALE }).output,
    composed: (q, k, v, decay) => composed(q!, k!, v!, decay!),
    composedLongest: COMPOSED_LONGEST,
  },
  carry: [['finalState', 'initialState']],
};
