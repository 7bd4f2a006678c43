import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { useBackend } from '@mamba360/ssm/backend';
import { FileError } from '@mamba360/ssm/errors';
import { Random } from '@mamba360/ssm/random';
import { encode } from 'jpeg-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { suiteTasks } from '../suites.ts';
import { taskAccuracy, taskLogits, taskModel, tensorBatch } from '../suite/model.ts';
import { imageTask, JpegSet } from './image.ts';
import { listOpsTask } from './list-ops-task.ts';
import { gapBetween, PATHFINDER_128, PATHFINDER_32, pathfinderPicture } from './pathfinder.ts';
import type { Dash, PathfinderPicture } from './pathfinder.ts';
import { pathfinderTask } from './pathfinder-task.ts';
import { publishedRows } from './published.ts';
import { pairBatch, readPairs, retrievalTask } from './retrieval.ts';
import { textBatch, textTask } from './text.ts';

let folder = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mamba360-lra-'));
  await useBackend('cpu');
});
afterAll(() => { rmSync(folder, { recursive: true }); });

const picture = (seed: number, options = PATHFINDER_32): PathfinderPicture => pathfinderPicture(Random.fromSeed(seed), options);

describe('Pathfinder', () => {
  /** Joins dashes by their places alone: one begins a gap's length behind the end of another, in its own direction. */
  function joined({ paths, markers }: PathfinderPicture, margin: number): boolean {
    const dashes = paths.flat();
    const group = dashes.map((_, index) => index);
    const rootOf = (index: number): number => (group[index] === index ? index : rootOf(group[index]!));
    dashes.forEach((a, i) => dashes.forEach((b, j) => {
      const follows = Math.hypot(a.to.x + margin * Math.cos(b.angle) - b.from.x, a.to.y + margin * Math.sin(b.angle) - b.from.y) < 1e-9;
      if (i !== j && follows) group[rootOf(i)] = rootOf(j);
    }));
    const at = markers.map((marker) => dashes.findIndex(({ from, to }) => [from, to].some((end) => Math.hypot(end.x - marker.x, end.y - marker.y) < 1e-9)));
    return rootOf(at[0]!) === rootOf(at[1]!);
  }

  test.each([['32', PATHFINDER_32, 60], ['128', PATHFINDER_128, 8]] as const)('%s: the label says whether one path joins the markers', (_, options, count) => {
    const labels: number[] = [];
    for (let seed = 0; seed < count; seed++) {
      const made = picture(seed, options);
      labels.push(made.label);
      expect(joined(made, options.margin), `seed ${seed}`).toBe(made.label === 1);
      expect(made.paths.slice(0, 2).map((path) => path.length)).toEqual([14, 14]);
      expect(made.paths.slice(2).every((path) => path.length === 4)).toBe(true);
    }
    expect(labels.filter((label) => label === 1).length / count).toBeGreaterThan(0.2);
    expect(labels.filter((label) => label === 1).length / count).toBeLessThan(0.8);
  });

  test('keeps free space between paths, and inside the frame', () => {
    for (let seed = 0; seed < 10; seed++) {
      const { paths } = picture(seed);
      const all: [Dash, number, number][] = paths.flatMap((path, index) => path.map((dash, place): [Dash, number, number] => [dash, index, place]));
      for (const [a, i, m] of all) for (const [b, j, n] of all) if (i !== j || Math.abs(m - n) > 1) expect(gapBetween(a, b)).toBeGreaterThanOrEqual(PATHFINDER_32.margin);
      for (const [{ from, to }] of all) for (const value of [from.x, from.y, to.x, to.y]) expect(value >= 1 && value <= 30).toBe(true);
    }
  });

  test('draws markers brighter than dashes on black, the same twice', () => {
    const { pixels, markers } = picture(5);
    for (const { x, y } of markers) expect(pixels[Math.round(y) * 32 + Math.round(x)]).toBe(1);
    expect(Math.min(...pixels)).toBe(0);
    expect(pixels.filter((value) => value > 0).length / 1024).toBeLessThan(0.5);
    expect(pixels.filter((value) => value > 0.4 && value <= 0.75).length).toBeGreaterThan(20);
    expect(picture(5).pixels).toEqual(pixels);
    expect(picture(6).pixels).not.toEqual(pixels);
  });

  test('is a task of pixels, and sets do not meet', async () => {
    const task = pathfinderTask({ short: true, large: false });
    const [test, validation] = [await task.tests[0]!.batch(0), await task.validation.batch(0)];
    expect([test.batch, test.length, task.tests[0]!.batches]).toEqual([32, 1024, Math.ceil(2000 / 32)]);
    expect(test.inputs).not.toEqual(validation.inputs);
    expect(Math.max(...test.inputs)).toBe(1);
    expect(pathfinderTask({ short: false, large: true })).toMatchObject({ name: 'pathx', trainLength: 16_384 });
  });
});

describe('Text', () => {
  const line = (id: number): string => JSON.stringify({ id, label: id % 2, rating: 1, text: `é${'x'.repeat(id)}` });

  test('reads bytes, not characters, cut and padded', () => {
    const batch = textBatch([{ id: 0, label: 1, text: 'é!' }, { id: 1, label: 0, text: 'abcdef' }], 4);
    expect([batch.length, [...batch.lengths!], [...batch.targets]]).toEqual([4, [3, 4], [1, 0]]);
    expect([...batch.inputs]).toEqual([0xc3 + 1, 0xa9 + 1, 33 + 1, 0, 98, 99, 100, 101]);
  });

  test('takes the rows whose id ends in 9 for validation', async () => {
    mkdirSync(join(folder, 'language/imdb'), { recursive: true });
    for (const name of ['train', 'test']) writeFileSync(join(folder, `language/imdb/${name}.jsonl.gz`), gzipSync(Array.from({ length: 40 }, (_, id) => line(id)).join('\n')));
    const task = await textTask({ data: folder, short: false });
    expect((await task.validation.batch(0)).batch).toBe(4);
    const lengths = [...(await task.train(Random.fromSeed(1), 0, 300)).lengths!].map((length) => length - 2);
    expect(new Set(lengths).size).toBe(36);
    expect(lengths.filter((id) => id % 10 === 9)).toEqual([]);
    expect((await textTask({ data: folder, short: true })).trainLength).toBe(1024);
    writeFileSync(join(folder, 'language/imdb/train.jsonl.gz'), gzipSync('{"id":1,"label":3,"text":"x"}'));
    await expect(textTask({ data: folder, short: true })).rejects.toThrow('line 1');
  });
});

describe('Image', () => {
  /** A file of flat gray squares, each of its label's shade. */
  function squares(count: number): Buffer {
    const shades = Array.from({ length: Math.min(count, 10) }, (_, shade) => {
      const data = Buffer.alloc(32 * 32 * 4, 255);
      for (let pixel = 0; pixel < 1024; pixel++) data.fill(shade * 20, 4 * pixel, 4 * pixel + 3);
      return encode({ data, width: 32, height: 32 }, 95).data;
    });
    const images = Array.from({ length: count }, (_, index) => shades[index % 10]!);
    const head = Buffer.alloc(8 + count + 4 * (count + 1));
    head.write('CJPG', 'latin1');
    head.writeUInt32LE(count, 4);
    images.forEach((_, index) => { head[8 + index] = index % 10; });
    let at = 0;
    for (let index = 0; index <= count; index++) {
      head.writeUInt32LE(at, 8 + count + 4 * index);
      at += images[index]?.length ?? 0;
    }
    return Buffer.concat([head, ...images]);
  }

  test('decodes JPEG to luma, keeps a tenth for validation', async () => {
    mkdirSync(join(folder, 'vision/cifar10-jpeg'), { recursive: true });
    const file = gzipSync(squares(40));
    for (const name of ['train', 'test']) writeFileSync(join(folder, `vision/cifar10-jpeg/${name}.cjpg.gz`), file);
    const task = await imageTask({ data: folder, short: false });
    const batch = await task.tests[0]!.batch(0);
    expect([batch.batch, batch.length, [...batch.targets.subarray(0, 12)]]).toEqual([40, 1024, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]]);
    for (let row = 0; row < 10; row++) expect(batch.inputs[row * 1024 + 500]).toBeCloseTo((row * 20) / 127.5 - 1, 1);
    expect([...(await task.validation.batch(0)).targets]).toEqual([6, 7, 8, 9]);
  });

  test('refuses a file of another kind or a cut one', () => {
    expect(() => new JpegSet(Buffer.from('JPEG00000000'), 'x')).toThrow(FileError);
    expect(() => new JpegSet(squares(2).subarray(0, -3), 'x')).toThrow('expected');
  });
});

describe('Retrieval', () => {
  test('reads the published form, and says how to get it where it is absent', async () => {
    await expect(retrievalTask({ data: folder, short: true })).rejects.toThrow('your own copy of the published files');
    mkdirSync(join(folder, 'retrieval'));
    for (const part of ['train', 'eval', 'test']) writeFileSync(join(folder, `retrieval/new_aan_pairs.${part}.tsv`), `"1.0"\t"A"\t"B"\tb'one'\tb"two's"\n"0.0"\t"C"\t"D"\t"three"\t"4"\n`);
    const pairs = await readPairs(join(folder, 'retrieval/new_aan_pairs.test.tsv'));
    expect(pairs).toEqual([{ label: 1, first: 'one', second: "two's" }, { label: 0, first: 'three', second: '4' }]);
    const batch = pairBatch(pairs, 4);
    expect([batch.batch, [...batch.lengths!], [...batch.targets]]).toEqual([4, [3, 4, 4, 1], [1, 0]]);
    const task = await retrievalTask({ data: folder, short: true });
    const model = taskModel(task, 'gru', { ...task.recipe, dModel: 8, nLayer: 1 }, 1);
    expect(taskAccuracy(task, model, await task.tests[0]!.batch(0)).asked).toBe(2);
    const logits = taskLogits(task, model, tensorBatch(task, batch));
    expect(logits.shape).toEqual([2, 2]);
    // Each pair is judged by its own two documents.
    const alone = taskLogits(task, model, tensorBatch(task, pairBatch(pairs.slice(1), 4)));
    alone.dataSync().forEach((value, index) => expect(value).toBeCloseTo(logits.dataSync()[2 + index]!, 5));
    model.dispose();
  });
});

describe('the suite', () => {
  test('generates ListOps in numbered sets that do not meet', async () => {
    const task = listOpsTask({ short: true });
    const [first, again, validation] = [await task.tests[0]!.batch(1), await task.tests[0]!.batch(1), await task.validation.batch(1)];
    expect(first).toEqual(again);
    expect(first.inputs).not.toEqual(validation.inputs);
    for (const length of first.lengths!) expect(length > 100 && length < 500).toBe(true);
    expect(listOpsTask({ short: false })).toMatchObject({ trainLength: 2000, recipe: { steps: 120_000 } });
  });

  test("prints the survey's rows beside ours, best first", async () => {
    const rows = await publishedRows('ListOps');
    expect(rows[0]).toMatchObject({ model: 'Mega', value: 63.14 });
    expect(rows.at(-1)).toMatchObject({ model: 'Local Attention', value: 15.82 });
    expect((await publishedRows('Path-X')).map(({ model }) => model)).not.toContain('Transformer');
  });

  test('has the six tasks, and names those whose data are not here', async () => {
    const { tasks, unavailable } = await suiteTasks('lra', { data: 'no-such-folder', short: true });
    expect(tasks.map(({ name }) => name)).toEqual(['listops', 'pathfinder', 'pathx']);
    expect(unavailable.map(({ name }) => name)).toEqual(['text', 'retrieval', 'image']);
  });
});
