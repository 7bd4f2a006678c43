import { Random } from '@mamba360/ssm/random';
import { bagOfSymbols } from '../suite/bag-of-symbols.ts';
import { generated } from '../suite/task.ts';
import type { LearningTask } from '../suite/task.ts';
import { LIST_OPS_SHORT, LIST_OPS_VOCABULARY, listOpsBatch } from './list-ops.ts';

/** ListOps with at most 200 tokens and 5 levels. */
export function listOpsShortTask(): LearningTask {
  const random = Random.fromSeed('list ops short');
  const test = generated('test', { batches: 32, random, batch: (stream) => listOpsBatch(stream, 64, LIST_OPS_SHORT) });
  return {
    name: 'list-ops', reads: { kind: 'tokens', vocabSize: LIST_OPS_VOCABULARY }, classes: 10, answer: 'positions', trainLength: 200, maximumLength: 200,
    train: (stream, progress, batchSize) => listOpsBatch(stream, batchSize, progress < 0.3 ? { ...LIST_OPS_SHORT, minimumLength: 4, maximumLength: 60 } : LIST_OPS_SHORT),
    validation: generated('validation', { batches: 8, random, batch: (stream) => listOpsBatch(stream, 64, LIST_OPS_SHORT) }), tests: [test], headline: 'test', chance: 0.1,
    bar: { floor: 0, published: 'floor: 10 points above the better of majority and bag of symbols. At full length S4 59.5, Transformer 36.4' },
    models: ['mamba', 's4d', 'mamba2'], baselines: ['lstm', 'transformer-decoder'], controls: [],
    recipe: { dModel: 64, nLayer: 2, steps: 8000, batchSize: 32, learningRate: 2e-3 },
    trivial: () => bagOfSymbols({ vocabSize: LIST_OPS_VOCABULARY, classes: 10, train: generated('bag of symbols', { batches: 128, random, batch: (stream) => listOpsBatch(stream, 64, LIST_OPS_SHORT) }), test }),
  };
}
