import type { Random } from '@mamba360/ssm/random';
import type { TaskBatch, TestSet } from '../suite/task.ts';

/** A set of numbered examples: a file's rows, or generated ones that depend on their number alone. */
export interface Examples {
  readonly count: number;
  batch(rows: readonly number[]): TaskBatch;
}

/** Batches drawn with replacement, so that a batch depends on its place in the run alone. */
export const drawn = ({ count, batch }: Examples) => (random: Random, _progress: number, batchSize: number): TaskBatch =>
  batch(Array.from({ length: batchSize }, () => random.integer(count)));

/** Every example once, in order, or the first `most`. */
export function inOrder(name: string, { count, batch }: Examples, size = 32, most = count): TestSet {
  const total = Math.min(count, most);
  return { name, batches: Math.ceil(total / size), batch: (index) => batch(Array.from({ length: Math.min(size, total - index * size) }, (_, row) => index * size + row)) };
}

/** Rows [begin, end) of a set. */
export const slice = ({ batch }: Examples, begin: number, end: number): Examples => ({ count: end - begin, batch: (rows) => batch(rows.map((row) => begin + row)) });
