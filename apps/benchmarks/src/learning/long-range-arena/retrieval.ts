import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileError } from '@mamba360/ssm/errors';
import type { LearningTask, TaskBatch } from '../suite/task.ts';
import { drawn, inOrder } from './finite.ts';
import type { Examples } from './finite.ts';
import { publishedRows } from './published.ts';
import { lraRecipe, LRA_BASELINES, LRA_MODELS } from './recipe.ts';
import { BYTE_VOCABULARY, textBatch } from './text.ts';

interface Pair { readonly label: number; readonly first: string; readonly second: string }

/** A published file: label, two ids, two texts, between tabs; texts are quoted and may be written as Python bytes. */
export async function readPairs(path: string): Promise<Pair[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new FileError(`bench: ${path} cannot be read. The task retrieval needs your own copy of the published files: put new_aan_pairs.train.tsv, .eval.tsv and .test.tsv into retrieval/ of the folder given with --data.`, { cause: error });
  });
  const plain = (field: string): string => field.replace(/^b?(['"])([\s\S]*)\1$/, '$2');
  return text.trim().split('\n').map((line, index) => {
    const [label, , , first, second] = line.split('\t').map(plain);
    if (second === undefined || !/^[01](\.0)?$/.test(label!)) throw new FileError(`bench: line ${index + 1} of ${path} is not: label 0 or 1, two ids, two texts, between tabs.`);
    return { label: Number(label), first: first!, second };
  });
}

/** The first half of the rows are first documents, the second half second ones. */
export function pairBatch(pairs: readonly Pair[], length: number): TaskBatch {
  const texts = [...pairs.map(({ first }) => first), ...pairs.map(({ second }) => second)];
  return { ...textBatch(texts.map((text, id) => ({ id, label: 0, text })), length), targets: Int32Array.from(pairs, ({ label }) => label) };
}

/** Whether two papers cite each other, both read as at most 4,000 bytes by one model; short: 1,000. */
export async function retrievalTask({ data, short }: { data: string; short: boolean }): Promise<LearningTask> {
  const length = short ? 1000 : 4000;
  const [train, validation, test] = await Promise.all(['train', 'eval', 'test'].map((part) => readPairs(join(data, `retrieval/new_aan_pairs.${part}.tsv`))));
  const set = (pairs: readonly Pair[]): Examples => ({ count: pairs.length, batch: (rows) => pairBatch(rows.map((row) => pairs[row]!), length) });
  return {
    name: 'retrieval', reads: { kind: 'tokens', vocabSize: BYTE_VOCABULARY }, classes: 2, answer: 'pair', trainLength: length, maximumLength: length,
    train: drawn(set(train!)), validation: inOrder('validation', set(validation!), 16, short ? 256 : 2000), tests: [inOrder('test', set(test!), 16, short ? 2000 : test!.length)], headline: 'test', chance: 0.5,
    bar: short ? { floor: 55 } : { floor: 82, target: 87, published: 'S4-LegS 90.90, Transformer 57.46 (survey)' },
    models: LRA_MODELS, baselines: LRA_BASELINES, controls: [], recipe: lraRecipe(short, { batchSize: 16, epochs: 20, examples: train!.length }), published: () => publishedRows('Retrieval'),
  };
}
