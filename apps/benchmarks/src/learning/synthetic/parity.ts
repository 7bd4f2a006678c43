import { Random } from '@mamba360/ssm/random';
import { generated } from '../suite/task.ts';
import type { LearningTask, TaskBatch } from '../suite/task.ts';

/**
 * Bits; at each step the parity of those so far.
 *
 * @param ask - `every` step, as in training, or only the `last`, as in the test.
 */
export function parityBatch(random: Random, batch: number, length: number, ask: 'every' | 'last'): TaskBatch {
  const inputs = Int32Array.from({ length: batch * length }, () => random.integer(2));
  const targets = new Int32Array(batch * length).fill(-1);
  for (let row = 0; row < batch; row++) {
    let parity = 0;
    for (let step = 0; step < length; step++) {
      parity ^= inputs[row * length + step]!;
      if (ask === 'every' || step === length - 1) targets[row * length + step] = parity;
    }
  }
  return { batch, length, inputs, targets };
}

/** Lengths from 3 up to a bound that grows with the training. */
export const growingLength = (random: Random, progress: number): number => 3 + random.integer((progress < 0.25 ? 16 : progress < 0.5 ? 40 : progress < 0.7 ? 80 : 160) - 2);

export function parityTask(): LearningTask {
  const random = Random.fromSeed('parity');
  const test = (length: number) => generated(`length ${length}`, { batches: 8, random, batch: (stream) => parityBatch(stream, 128, length, 'last') });
  return {
    name: 'parity', reads: { kind: 'tokens', vocabSize: 2 }, classes: 2, answer: 'positions', trainLength: 160, maximumLength: 256,
    train: (stream, progress, batchSize) => parityBatch(stream, batchSize, growingLength(stream.split('length'), progress), 'every'),
    validation: generated('validation', { batches: 2, random, batch: (stream) => parityBatch(stream, 128, 160, 'last') }),
    tests: [test(40), test(160), test(256)], headline: 'length 256', chance: 0.5, scaled: true,
    bar: { floor: 99, target: 100, published: 'Mamba-3 100, Mamba-2 0.9, scaled accuracy (Mamba-3 paper)' },
    models: ['mamba3', 'delta-net', 'slstm'], baselines: ['lstm', 'transformer-decoder'], controls: [{ mixer: 'mamba2', atMost: 10, why: 'decays between 0 and 1 cannot flip a sign' }],
    recipe: { dModel: 64, nLayer: 1, steps: 6000, batchSize: 64, learningRate: 2e-3 },
  };
}
