import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { wkv4 as fusedWkv } from '@mamba360/ssm/ops';
import type { KernelCall } from '@mamba360/ssm/kernels';
import { inputOf, namedCall } from './named-call.ts';
import type { OperationBenchmark, Size } from './operation.ts';
import { floats, waves } from './values.ts';

function naive(call: KernelCall, { B, L, E }: Size): Float32Array {
  const k = inputOf(call, 'k'), v = inputOf(call, 'v'), decay = inputOf(call, 'decay'), bonus = inputOf(call, 'bonus'), y = new Float32Array(B * L * E);
  const numerator = new Float32Array(E), denominator = new Float32Array(E), most = new Float32Array(E);
  for (let b = 0; b < B; b++) {
    numerator.fill(0);
    denominator.fill(0);
    most.fill(-Infinity);
    for (let t = 0; t < L; t++) {
      for (let e = 0; e < E; e++) {
        const at = (b * L + t) * E + e, now = bonus[e]! + k[at]!, top = Math.max(most[e]!, now), before = Math.exp(most[e]! - top), here = Math.exp(now - top);
        y[at] = (before * numerator[e]! + here * v[at]!) / (before * denominator[e]! + here);
        const faded = most[e]! + decay[e]!, next = Math.max(faded, k[at]!), keep = Math.exp(faded - next), add = Math.exp(k[at]! - next);
        numerator[e] = keep * numerator[e]! + add * v[at]!;
        denominator[e] = keep * denominator[e]! + add;
        most[e] = next;
      }
    }
  }
  return y;
}

function composed(k: Tensor, v: Tensor, decay: Tensor, bonus: Tensor): Tensor {
  const [B, L, E] = k.shape as [number, number, number], outputs: Tensor[] = [];
  let numerator: Tensor = tf.zeros([B, 1, E]), denominator: Tensor = tf.zeros([B, 1, E]), most: Tensor = tf.fill([B, 1, E], -1e30);
  for (let t = 0; t < L; t++) {
    const key = tf.slice(k, [0, t, 0], [B, 1, E]), value = tf.slice(v, [0, t, 0], [B, 1, E]), now = tf.add(bonus, key);
    const top = tf.maximum(most, now), before = tf.exp(tf.sub(most, top)), here = tf.exp(tf.sub(now, top));
    outputs.push(tf.div(tf.add(tf.mul(before, numerator), tf.mul(here, value)), tf.add(tf.mul(before, denominator), here)));
    const faded = tf.add(most, decay), next = tf.maximum(faded, key), keep = tf.exp(tf.sub(faded, next)), add = tf.exp(tf.sub(key, next));
    numerator = tf.add(tf.mul(keep, numerator), tf.mul(add, value));
    denominator = tf.add(tf.mul(keep, denominator), add);
    most = next;
  }
  return tf.concat(outputs, 1);
}

/** RWKV-4's weighted sum. */
export const wkv4: OperationBenchmark = {
  name: 'wkv4', folder: 'wkv4', kernel: 'wkv4Forward', kind: 'recurrent',
  settings: 'running maximum',
  call: ({ B, L, E }) => namedCall('wkv4Forward', {
    inputs: { k: waves(B * L * E), v: waves(B * L * E, 3), decay: floats(E, (e) => -0.05 - (e % 16) / 8), bonus: waves(E, 5, 0.5) },
    outputs: { y: B * L * E, finalNumerator: B * E, finalDenominator: B * E, finalMaximum: B * E },
    integers: { B, L, E },
  }),
  naive,
  work: ({ B, L, E }) => ({ reads: 2 * B * L * E, writes: B * L * E, multiplyAdds: 4 * B * L * E, exponentials: 3 * B * L * E }),
  mix: [2, 1],
  tensors: {
    inputs: ({ B, L, E }) => [['k', [B, L, E]], ['v', [B, L, E]], ['decay', [E]], ['bonus', [E]]],
    fused: (k, v, decay, bonus) => fusedWkv(k!, v!, decay!, bonus!).output,
    composed: (k, v, decay, bonus) => composed(k!, v!, decay!, bonus!),
  },
  carry: [['finalNumerator', 'initialNumerator'], ['finalDenominator', 'initialDenominator'], ['finalMaximum', 'initialMaximum']],
};
