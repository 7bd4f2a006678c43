import { Random } from '@mamba360/ssm/random';
import { LIST_OPS_FULL, LIST_OPS_VOCABULARY, listOpsExample, padded } from '../synthetic/list-ops.ts';
import type { ListOpsOptions } from '../synthetic/list-ops.ts';
import { bagOfSymbols } from '../suite/bag-of-symbols.ts';
import type { LearningTask } from '../suite/task.ts';
import { drawn, inOrder } from './finite.ts';
import type { Examples } from './finite.ts';
import { publishedRows } from './published.ts';
import { lraRecipe, LRA_BASELINES, LRA_MODELS } from './recipe.ts';

/** Between the sizes of the arena and those of the synthetic suite. */
const SHORT: ListOpsOptions = { maximumDepth: 7, maximumArguments: 10, minimumLength: 100, maximumLength: 500 };

/** Example `row` of a set is drawn from a stream of its own, so sets never meet and need no file. */
function examples(set: string, count: number, options: ListOpsOptions): Examples {
  const random = Random.fromSeed('long range arena: list ops').split(set);
  return { count, batch: (rows) => { const made = rows.map((row) => listOpsExample(random.split(row), options)); return padded(made.map(({ tokens }) => tokens), made.map(({ value }) => value)); } };
}

/** 96,000 / 2,000 / 2,000 expressions of 500 to 2,000 tokens; short: 100 to 500. */
export function listOpsTask({ short }: { short: boolean }): LearningTask {
  const options = short ? SHORT : LIST_OPS_FULL;
  const [train, validation, test] = [examples('train', 96_000, options), examples('validation', 2000, options), examples('test', 2000, options)];
  const all = inOrder('test', test);
  return {
    name: 'listops', reads: { kind: 'tokens', vocabSize: LIST_OPS_VOCABULARY }, classes: 10, answer: 'positions', trainLength: options.maximumLength, maximumLength: options.maximumLength,
    train: drawn(train), validation: inOrder('validation', validation, 32, short ? 256 : 2000), tests: [all], headline: 'test', chance: 0.1,
    bar: short ? { floor: 0, published: 'floor: 10 points above the better of majority and bag of symbols' } : { floor: 50, target: 57, published: 'S4 59.5 (S4 repository)' },
    models: LRA_MODELS, baselines: LRA_BASELINES, controls: [], recipe: lraRecipe(short, { batchSize: 32, epochs: 40, examples: 96_000 }),
    trivial: () => bagOfSymbols({ vocabSize: LIST_OPS_VOCABULARY, classes: 10, train: inOrder('train', train, 32, 4096), test: all }),
    published: () => publishedRows('ListOps'),
  };
}
