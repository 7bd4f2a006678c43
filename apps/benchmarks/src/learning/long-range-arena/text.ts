import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { FileError } from '@mamba360/ssm/errors';
import type { LearningTask, TaskBatch } from '../suite/task.ts';
import { drawn, inOrder } from './finite.ts';
import type { Examples } from './finite.ts';
import { publishedRows } from './published.ts';
import { lraRecipe, LRA_BASELINES, LRA_MODELS } from './recipe.ts';

/** Bytes plus one; 0 is padding. */
export const BYTE_VOCABULARY = 257;

export interface LabelledText { readonly id: number; readonly label: number; readonly text: string }

/** Lines of JSON, gzipped. */
export async function readLabelledTexts(path: string): Promise<LabelledText[]> {
  const raw = await readFile(path).catch((error: unknown) => { throw new FileError(`bench: ${path} cannot be read. Give the folder of data sets with --data.`, { cause: error }); });
  return gunzipSync(raw).toString('utf8').trim().split('\n').map((line, index) => {
    const { id, label, text } = JSON.parse(line) as LabelledText;
    if (!Number.isSafeInteger(id) || (label !== 0 && label !== 1) || typeof text !== 'string') throw new FileError(`bench: line ${index + 1} of ${path} has no id, label 0 or 1 and text.`);
    return { id, label, text };
  });
}

/** UTF-8 bytes, cut to `length`; one answer a text, from the mean over its bytes. */
export function textBatch(texts: readonly LabelledText[], length: number): TaskBatch {
  const rows = texts.map(({ text }) => Buffer.from(text, 'utf8').subarray(0, length));
  const longest = Math.max(1, ...rows.map((row) => row.length));
  const inputs = new Int32Array(rows.length * longest);
  rows.forEach((row, index) => row.forEach((byte, step) => { inputs[index * longest + step] = byte + 1; }));
  return { batch: rows.length, length: longest, inputs, targets: Int32Array.from(texts, ({ label }) => label), lengths: Int32Array.from(rows, (row) => Math.max(1, row.length)) };
}

/** Sentiment of film reviews read as bytes, at most 4,096; short: 1,024. Validation: train rows whose id ends in 9. */
export async function textTask({ data, short }: { data: string; short: boolean }): Promise<LearningTask> {
  const length = short ? 1024 : 4096;
  const folder = join(data, 'language/imdb');
  const [known, asked] = [await readLabelledTexts(join(folder, 'train.jsonl.gz')), await readLabelledTexts(join(folder, 'test.jsonl.gz'))];
  const set = (texts: readonly LabelledText[]): Examples => ({ count: texts.length, batch: (rows) => textBatch(rows.map((row) => texts[row]!), length) });
  const train = known.filter(({ id }) => id % 10 !== 9);
  // The files may be ordered by label: a part of them is taken evenly.
  const part = (texts: readonly LabelledText[], most: number): LabelledText[] => texts.filter((_, index) => Math.floor((index * most) / texts.length) !== Math.floor(((index - 1) * most) / texts.length));
  const validation = part(known.filter(({ id }) => id % 10 === 9), short ? 512 : 2500);
  return {
    name: 'text', reads: { kind: 'tokens', vocabSize: BYTE_VOCABULARY }, classes: 2, answer: 'mean', trainLength: length, maximumLength: length,
    train: drawn(set(train)), validation: inOrder('validation', set(validation)), tests: [inOrder('test', set(short ? part(asked, 4000) : asked))], headline: 'test', chance: 0.5,
    bar: { floor: short ? 60 : 82, ...(!short && { target: 86 }), published: 'S4-LegS 86.82, Transformer 64.27 at 4,096 bytes (survey)' },
    models: LRA_MODELS, baselines: LRA_BASELINES, controls: [], recipe: lraRecipe(short, { batchSize: 16, epochs: 32, examples: train.length }), published: () => publishedRows('Text'),
  };
}
