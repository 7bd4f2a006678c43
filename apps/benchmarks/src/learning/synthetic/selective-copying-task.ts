import { Random } from '@mamba360/ssm/random';
import { selectiveCopyingSequences, VOCABULARY } from '../selective-copying.ts';
import { generated } from '../suite/task.ts';
import type { LearningTask, TaskBatch } from '../suite/task.ts';

const LENGTH = 128;
const KEPT = 16;

/** Says 16 symbols in order that were strewn among 128 steps. */
export function selectiveCopyingBatchOf(random: Random, batch: number, length: number, kept = KEPT): TaskBatch {
  const { tokens, target } = selectiveCopyingSequences(random, batch, length, kept);
  const targets = new Int32Array(batch * (length + kept)).fill(-1);
  for (let row = 0; row < batch; row++) targets.set(target.subarray(row * kept, (row + 1) * kept), (row + 1) * (length + kept) - kept);
  return { batch, length: length + kept, inputs: tokens, targets };
}

export function selectiveCopyingTask(): LearningTask {
  const random = Random.fromSeed('selective copying');
  const test = (name: string, batches: number) => generated(name, { batches, random, batch: (stream) => selectiveCopyingBatchOf(stream, 64, LENGTH) });
  return {
    name: 'selective-copying', reads: { kind: 'tokens', vocabSize: VOCABULARY }, classes: VOCABULARY, answer: 'positions',
    trainLength: LENGTH + KEPT, maximumLength: LENGTH + KEPT,
    // Short sequences first: they teach the copying at a third of the cost; the rest teaches to skip the noise. Only full lengths are scored.
    train: (stream, progress, batchSize) => selectiveCopyingBatchOf(stream, batchSize, progress < 0.25 ? LENGTH / 4 : progress < 0.45 ? LENGTH / 2 : LENGTH),
    validation: test('validation', 4), tests: [test('length 128', 32)], headline: 'length 128', chance: 1 / 14,
    bar: { floor: 97, target: 99, stretch: 99.8, published: 'Mamba 99.8, S6 97.0, S4 18.3 at length 4,096 (Mamba paper)' },
    models: ['mamba'], baselines: ['lstm', 'transformer-decoder', 'identity'], controls: [{ mixer: 's4d', atMost: 25, why: 'a fixed kernel cannot choose by content' }],
    recipe: { dModel: 64, nLayer: 2, steps: 3750, batchSize: 64, learningRate: 5e-3 },
    recipes: { 'transformer-decoder': { learningRate: 1e-3 }, lstm: { learningRate: 2e-3 } },
  };
}
