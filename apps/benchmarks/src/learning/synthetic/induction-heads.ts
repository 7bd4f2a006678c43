import { Random } from '@mamba360/ssm/random';
import { atLastStep, generated } from '../suite/task.ts';
import type { LearningTask, TaskBatch } from '../suite/task.ts';

/** Ordinary symbols; the one after them is the sign that is seen twice. */
const SYMBOLS = 15;
const SIGN = SYMBOLS;

/**
 * Random symbols with the sign at a random place and again at the end; what followed the sign the first time must be said.
 *
 * @see Gu and Dao 2023, arXiv 2312.00752, section 4.1.2; Dao et al. 2022, arXiv 2212.14052.
 */
export function inductionHeadsBatch(random: Random, batch: number, length: number): TaskBatch {
  const inputs = Int32Array.from({ length: batch * length }, () => random.integer(SYMBOLS));
  const answers = new Int32Array(batch);
  for (let row = 0; row < batch; row++) {
    const place = random.integer(length - 2);
    inputs[row * length + place] = SIGN;
    inputs[(row + 1) * length - 1] = SIGN;
    answers[row] = inputs[row * length + place + 1]!;
  }
  return { batch, length, inputs, targets: atLastStep(answers, length) };
}

const TRAIN = 256;
const LENGTHS = [[256, 64, 8], [1024, 32, 8], [4096, 8, 16], [16_384, 4, 16]] as const;

export function inductionHeadsTask(): LearningTask {
  const random = Random.fromSeed('induction heads');
  const tests = LENGTHS.map(([length, batch, batches]) => generated(`length ${length}`, { batches, random, batch: (stream) => inductionHeadsBatch(stream, batch, length) }));
  return {
    name: 'induction-heads', reads: { kind: 'tokens', vocabSize: SYMBOLS + 1 }, classes: SYMBOLS, answer: 'positions', trainLength: TRAIN, maximumLength: 16_384,
    train: (stream, progress, batchSize) => inductionHeadsBatch(stream, batchSize, progress < 0.2 ? 32 : progress < 0.4 ? 64 : progress < 0.55 ? 128 : TRAIN),
    validation: generated('validation', { batches: 4, random, batch: (stream) => inductionHeadsBatch(stream, 64, TRAIN) }), tests, headline: 'length 256', chance: 1 / SYMBOLS,
    bar: { floor: 97, target: 100, published: 'H3 and attention above 97 at length 256; Mamba 100 up to 2^20 (their papers). Stretch here: 100 at length 16,384' },
    models: ['mamba', 'mamba2', 'h3', 'hyena'], baselines: ['lstm', 'transformer-decoder'], controls: [],
    recipe: { dModel: 64, nLayer: 2, steps: 5000, batchSize: 32, learningRate: 1e-3 },
  };
}
