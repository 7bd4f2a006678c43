import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { StateError } from '../errors/index.ts';
import { controlBytes } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';

/**
 * Counted steps of each sequence since it began, [B] int32: a growing state knows how much of its declared length is used.
 *
 * @param what - Name of the layer in error texts.
 * @param steps - The counts before this call. Default: zeros.
 * @throws StateError if a sequence becomes longer than `maximumLength`.
 */
export function countSteps(what: string, [batch, length]: readonly [number, number], sequence: SequenceOptions, steps: Tensor | undefined, maximumLength: number): Tensor {
  const control = controlBytes(what, batch, length, sequence);
  const counts = steps ? Int32Array.from(steps.dataSync()) : new Int32Array(batch);
  for (let b = 0; b < batch; b++) {
    let most = control ? counts[b]! : (counts[b]! += length);
    const row = control?.subarray(b * length, (b + 1) * length) ?? [];
    for (const bits of row) {
      if (bits & 2) counts[b] = 0;
      if (!(bits & 1)) most = Math.max(most, ++counts[b]!);
    }
    if (most > maximumLength) {
      throw new StateError(`${what}: sequence ${b} reaches ${most} steps, expected at most the declared maximumLength of ${maximumLength}. Create the layer with a larger maximumLength, start a new sequence from initialState, or mark where sequences end with segments.`);
    }
  }
  return tf.tensor1d(counts, 'int32');
}
