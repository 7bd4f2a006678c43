import { Random } from '@mamba360/ssm/random';
import { generated } from '../suite/task.ts';
import type { LearningTask, TaskBatch } from '../suite/task.ts';

const KEYS = 32;
const VALUES = 32;
const PAIRS = 8;
/** Stands where nothing is asked. */
const FILLER = KEYS + VALUES;

/**
 * Pairs of a key and its value, then every key once more at random places; at each the value that came with it.
 *
 * @see Arora et al. 2023, arXiv 2312.04927: multi-query associative recall.
 */
export function associativeRecallBatch(random: Random, batch: number, length: number, pairs = PAIRS): TaskBatch {
  const inputs = new Int32Array(batch * length).fill(FILLER);
  const targets = new Int32Array(batch * length).fill(-1);
  for (let row = 0; row < batch; row++) {
    const start = row * length;
    const keys = random.permutation(KEYS).slice(0, pairs);
    const values = Int32Array.from({ length: pairs }, () => random.integer(VALUES));
    keys.forEach((key, index) => {
      inputs[start + 2 * index] = key;
      inputs[start + 2 * index + 1] = KEYS + values[index]!;
    });
    const places = random.permutation(length - 2 * pairs).slice(0, pairs);
    places.forEach((place, index) => {
      inputs[start + 2 * pairs + place] = keys[index]!;
      targets[start + 2 * pairs + place] = values[index]!;
    });
  }
  return { batch, length, inputs, targets };
}

export function associativeRecallTask(): LearningTask {
  const random = Random.fromSeed('associative recall');
  const test = (length: number, pairs: number, batches: number) => generated(`${pairs} pairs in ${length}`, { batches, random, batch: (stream) => associativeRecallBatch(stream, 64, length, pairs) });
  return {
    name: 'associative-recall', reads: { kind: 'tokens', vocabSize: FILLER + 1 }, classes: VALUES, answer: 'positions', trainLength: 64, maximumLength: 256,
    train: (stream, progress, batchSize) => associativeRecallBatch(stream, batchSize, progress < 0.2 ? 24 : 64, progress < 0.2 ? 4 : PAIRS),
    validation: generated('validation', { batches: 4, random, batch: (stream) => associativeRecallBatch(stream, 64, 64) }),
    tests: [test(64, PAIRS, 16), test(256, PAIRS, 8), test(64, 16, 8)], headline: '8 pairs in 64', chance: 1 / VALUES,
    bar: { floor: 97, target: 99, published: 'no figure at this size; the bar is ours. Attention solves it (Zoology paper)' },
    models: ['mamba', 'mamba2', 'gla', 'gated-delta-net', 'h3', 'hyena'], baselines: ['lstm', 'transformer-decoder'], controls: [],
    recipe: { dModel: 64, nLayer: 2, steps: 5000, batchSize: 64, learningRate: 2e-3 },
  };
}
