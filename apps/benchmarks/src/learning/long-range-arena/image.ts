import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { decode } from 'jpeg-js';
import { FileError } from '@mamba360/ssm/errors';
import type { LearningTask, TaskBatch } from '../suite/task.ts';
import { drawn, inOrder, slice } from './finite.ts';
import type { Examples } from './finite.ts';
import { publishedRows } from './published.ts';
import { lraRecipe, LRA_BASELINES, LRA_MODELS } from './recipe.ts';

const PIXELS = 32 * 32;

/** A file of JPEG images: "CJPG", count, labels, offsets, images; gzipped. Images are decoded when first asked for. */
export class JpegSet implements Examples {
  readonly count: number;
  readonly #bytes: Buffer;
  readonly #gray = new Map<number, Float32Array>();

  constructor(bytes: Buffer, what: string) {
    if (bytes.subarray(0, 4).toString('latin1') !== 'CJPG') throw new FileError(`bench: ${what} does not begin with CJPG, so it is no file of images.`);
    this.count = bytes.readUInt32LE(4);
    this.#bytes = bytes;
    if (bytes.length !== this.#start + this.#offset(this.count)) throw new FileError(`bench: ${what} holds ${bytes.length} bytes, expected ${this.#start + this.#offset(this.count)}.`);
  }

  static async read(path: string): Promise<JpegSet> {
    const raw = await readFile(path).catch((error: unknown) => { throw new FileError(`bench: ${path} cannot be read. Give the folder of data sets with --data.`, { cause: error }); });
    return new JpegSet(gunzipSync(raw), path);
  }

  get #start(): number { return 8 + this.count + 4 * (this.count + 1); }
  #offset(index: number): number { return this.#bytes.readUInt32LE(8 + this.count + 4 * index); }

  label(index: number): number { return this.#bytes[8 + index]!; }

  /** Luma by ITU-R 601, from -1 to 1, row by row. */
  gray(index: number): Float32Array {
    const known = this.#gray.get(index);
    if (known !== undefined) return known;
    const { data, width, height } = decode(this.#bytes.subarray(this.#start + this.#offset(index), this.#start + this.#offset(index + 1)), { useTArray: true });
    if (width * height !== PIXELS) throw new FileError(`bench: image ${index} is ${width} x ${height}, expected 32 x 32.`);
    const gray = Float32Array.from({ length: PIXELS }, (_, pixel) => (0.299 * data[4 * pixel]! + 0.587 * data[4 * pixel + 1]! + 0.114 * data[4 * pixel + 2]!) / 127.5 - 1);
    this.#gray.set(index, gray);
    return gray;
  }

  batch(rows: readonly number[]): TaskBatch {
    const inputs = new Float32Array(rows.length * PIXELS);
    rows.forEach((row, index) => inputs.set(this.gray(row), index * PIXELS));
    return { batch: rows.length, length: PIXELS, inputs, targets: Int32Array.from(rows, (row) => this.label(row)) };
  }
}

/** Grayscale CIFAR-10 pixel by pixel: 45,000 / 5,000 / 10,000. The copies are JPEG, so figures may lie slightly below those on the original pixels. */
export async function imageTask({ data, short }: { data: string; short: boolean }): Promise<LearningTask> {
  const folder = join(data, 'vision/cifar10-jpeg');
  const [known, asked] = [await JpegSet.read(join(folder, 'train.cjpg.gz')), await JpegSet.read(join(folder, 'test.cjpg.gz'))];
  const trained = known.count - Math.floor(known.count / 10);
  const batches: Examples = { count: known.count, batch: (rows) => known.batch(rows) };
  return {
    name: 'image', reads: { kind: 'numbers', channels: 1 }, classes: 10, answer: 'mean', trainLength: PIXELS, maximumLength: PIXELS,
    // Classes take turns in the files, so a beginning is balanced.
    train: drawn(slice(batches, 0, short ? Math.min(10_000, trained) : trained)), validation: inOrder('validation', slice(batches, trained, known.count), 50, short ? 500 : 5000),
    tests: [inOrder('test', { count: asked.count, batch: (rows) => asked.batch(rows) }, 50, short ? 2000 : asked.count)], headline: 'test', chance: 0.1,
    bar: short ? { floor: 40 } : { floor: 75, target: 80, stretch: 85, published: 'S4-LegS 88.65, Transformer 42.44 (survey)' },
    models: LRA_MODELS, baselines: LRA_BASELINES, controls: [], recipe: lraRecipe(short, { batchSize: 50, epochs: 200, examples: trained }), published: () => publishedRows('Image'),
  };
}
