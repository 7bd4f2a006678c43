import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import type { Random } from '../random/index.ts';

export interface BatchPosition {
  readonly epoch: number;
  readonly index: number;
  /** The same stream for every index of an epoch: shuffle with it. */
  readonly random: Random;
}

/**
 * Where batches come from. A batch depends on the position alone, so that a resumed run needs nothing but counters.
 *
 * Tensors in a batch belong to `fit`, which disposes them after use.
 */
export interface BatchSource<Batch> {
  batchCount(epoch: number): number;
  batch(position: BatchPosition): Batch | Promise<Batch>;
  /** Whether carried state starts anew at this batch. Default: at the first of each epoch. */
  startsFresh?(epoch: number, index: number): boolean;
}

/**
 * Batches of rows, in a new random order each epoch.
 *
 * @param options.count - Number of rows.
 * @param options.batchSize - Rows in a batch; the last one may be smaller, none is dropped.
 * @param options.shuffle - Default true.
 * @param options.make - Builds a batch from row numbers.
 */
export function rowBatches<Batch>(options: { count: number; batchSize: number; shuffle?: boolean; make: (rows: Int32Array) => Batch | Promise<Batch> }): BatchSource<Batch> {
  const { count, batchSize, shuffle = true, make } = options;
  if (!(Number.isSafeInteger(count) && count > 0) || !(Number.isSafeInteger(batchSize) && batchSize > 0)) {
    throw new ConfigError(`rowBatches: count is ${count} and batchSize ${batchSize}, expected whole numbers of at least 1. Give at least one row.`);
  }
  let known: { epoch: number; key: string; order: Int32Array } | undefined;
  return {
    batchCount: () => Math.ceil(count / batchSize),
    batch({ epoch, index, random }) {
      const key = JSON.stringify(random.state());
      if (known?.epoch !== epoch || known.key !== key) {
        known = { epoch, key, order: shuffle ? random.permutation(count) : Int32Array.from({ length: count }, (_, row) => row) };
      }
      return make(known.order.slice(index * batchSize, (index + 1) * batchSize));
    },
  };
}

/** Frees every tensor in a batch: a tensor, or arrays and plain objects of them. Typed arrays are passed over, not walked. */
export function disposeBatch(batch: unknown): void {
  if (batch instanceof tf.Tensor) batch.dispose();
  else if (Array.isArray(batch)) batch.forEach(disposeBatch);
  else if (typeof batch === 'object' && batch !== null && !ArrayBuffer.isView(batch)) Object.values(batch).forEach(disposeBatch);
}
