import { tf } from '../backend/tensorflow.ts';
import { disposeState } from '../layers/index.ts';
import type { Random } from '../random/index.ts';
import { disposeBatch } from './batch-source.ts';
import type { BatchSource } from './batch-source.ts';
import type { FitOptions } from './fit-options.ts';
import { lossResult } from './trainable.ts';
import type { LossResult, Trainable } from './trainable.ts';
import { yieldToEventLoop } from './yield-to-event-loop.ts';

/** Values of a validation: a source gives the weighted mean loss, a function gives its own. */
export async function validate<Batch>(model: Trainable<Batch>, validation: NonNullable<FitOptions<Batch>['validation']>, random: Random, signal?: AbortSignal): Promise<Record<string, number>> {
  if (typeof validation === 'function') return validation(model);
  return { loss: await meanLoss(model, validation, random, signal) };
}

/** Mean loss over one pass of a source without dropout, each batch by its weight. */
export async function meanLoss<Batch>(model: Trainable<Batch>, source: BatchSource<Batch>, random: Random, signal?: AbortSignal): Promise<number> {
  let sum = 0;
  let total = 0;
  for (let index = 0; index < source.batchCount(0); index++) {
    const batch = await source.batch({ epoch: 0, index, random: random.split('data') });
    try {
      let weight = 1;
      const loss = tf.tidy(() => {
        const result: LossResult = lossResult(model.loss(batch, { training: false, random: random.split(index) }));
        weight = result.weight ?? 1;
        if (result.state) disposeState(result.state);
        return tf.reshape(result.loss, []);
      });
      sum += (await loss.data())[0] * weight;
      total += weight;
      loss.dispose();
    } finally {
      disposeBatch(batch);
    }
    await yieldToEventLoop(signal);
  }
  return sum / total;
}
