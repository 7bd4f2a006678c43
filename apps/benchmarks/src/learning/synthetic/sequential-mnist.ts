import { join } from 'node:path';
import { Random } from '@mamba360/ssm/random';
import type { LearningTask, TaskBatch, TestSet } from '../suite/task.ts';
import { readIdx } from './read-idx.ts';

const PIXELS = 784;
/** The last ones of the training file. */
const VALIDATION = 5000;

interface Digits { readonly images: Uint8Array; readonly labels: Uint8Array; readonly count: number }

async function digits(folder: string, part: 'train' | 't10k'): Promise<Digits> {
  const images = await readIdx(join(folder, 'vision/mnist', `${part}-images-idx3-ubyte.gz`));
  const labels = await readIdx(join(folder, 'vision/mnist', `${part}-labels-idx1-ubyte.gz`));
  return { images: images.values, labels: labels.values, count: labels.shape[0]! };
}

/** Pixels one by one, row by row or in the order of `order`, scaled to -1 ... 1; one answer a digit. */
export function digitBatch({ images, labels }: Digits, rows: ArrayLike<number>, order?: ArrayLike<number>): TaskBatch {
  const inputs = new Float32Array(rows.length * PIXELS);
  for (let row = 0; row < rows.length; row++) {
    for (let step = 0; step < PIXELS; step++) inputs[row * PIXELS + step] = images[rows[row]! * PIXELS + (order?.[step] ?? step)]! / 127.5 - 1;
  }
  return { batch: rows.length, length: PIXELS, inputs, targets: Int32Array.from(rows, (row) => labels[row]!) };
}

function part(name: string, set: Digits, begin: number, end: number, order: ArrayLike<number> | undefined): TestSet {
  const size = 100;
  return { name, batches: Math.ceil((end - begin) / size), batch: (index) => digitBatch(set, Array.from({ length: Math.min(size, end - begin - index * size) }, (_, row) => begin + index * size + row), order) };
}

/** @param options.permuted - In one fixed random order, from seed 0. */
export async function sequentialMnistTask({ data, permuted = false }: { data: string; permuted?: boolean }): Promise<LearningTask> {
  const [train, test] = [await digits(data, 'train'), await digits(data, 't10k')];
  const order = permuted ? Random.fromSeed(0).split('permuted MNIST').permutation(PIXELS) : undefined;
  const trained = train.count - VALIDATION;
  const batchSize = 50;
  return {
    name: permuted ? 'permuted-mnist' : 'sequential-mnist', reads: { kind: 'numbers', channels: 1 }, classes: 10, answer: 'mean', trainLength: PIXELS, maximumLength: PIXELS,
    // Rows are drawn with replacement: a batch depends on its place in the run alone.
    train: (random, _progress, size) => digitBatch(train, Array.from({ length: size }, () => random.integer(trained)), order),
    validation: part('validation', train, trained, trained + 1000, order), tests: [part('test', test, 0, test.count, order)], headline: 'test', chance: 0.1,
    bar: permuted ? { floor: 85, target: 90, published: 'S4 98.7 on a GPU' } : { floor: 95, target: 97, stretch: 98.5, published: 'S4 99.55 on a GPU (annotated-s4)' },
    models: ['s4d', 'mamba'], baselines: ['lstm', 'transformer-decoder'], controls: [],
    // Two passes over 55,000 digits.
    recipe: { dModel: 64, nLayer: 4, steps: 2 * Math.floor(trained / batchSize), batchSize, learningRate: 5e-3 },
    recipes: { mamba: { learningRate: 2e-3 }, lstm: { learningRate: 2e-3 }, 'transformer-decoder': { learningRate: 1e-3 } },
  };
}
