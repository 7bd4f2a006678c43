import { readSealedSafetensors, removeLeftovers, writeFileSafely, writeSealedSafetensors } from '../checkpoints/index.ts';
import type { StoredTensor } from '../checkpoints/index.ts';
import { ConfigError, FileError } from '../errors/index.ts';

/** Raised when the meaning of a training checkpoint changes. */
const FORMAT_VERSION = 1;

/** Everything a run needs to go on as if it had never stopped. */
export interface TrainingCheckpoint<Counters> {
  readonly counters: Counters;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/**
 * Training checkpoints in one folder (Node only): `step-000000012.safetensors`, each complete by itself, written so that a kill at any moment leaves the
 * previous one.
 *
 * @param folder - Of this run alone.
 * @param identity - Text that is equal exactly when a checkpoint can be continued: model, options, seed.
 */
export class CheckpointStore<Counters extends { readonly step: number }> {
  readonly folder: string;
  readonly #identity: string;
  readonly #keep: number;

  constructor(folder: string, identity: string, keep: number) {
    this.folder = folder;
    this.#identity = identity;
    this.#keep = keep;
  }

  /**
   * The newest checkpoint that can be read.
   *
   * @param onDamaged - Told of each that cannot; the one before it is tried.
   * @returns null where the folder holds none.
   * @throws ConfigError if the newest belongs to another run. FileError if there are checkpoints and none can be read.
   */
  async load(onDamaged: (message: string) => void): Promise<TrainingCheckpoint<Counters> | null> {
    const { mkdir, readFile } = await import('node:fs/promises');
    const { join } = await import('node:path');
    await mkdir(this.folder, { recursive: true });
    await removeLeftovers(this.folder);
    const names = (await this.#names()).toReversed();
    for (const name of names) {
      const path = join(this.folder, name);
      try {
        const { tensors, metadata } = await readSealedSafetensors(new Uint8Array(await readFile(path)), path);
        if (metadata.get('mamba360.kind') !== 'training' || metadata.get('mamba360.trainingFormat') !== String(FORMAT_VERSION)) {
          throw new ConfigError(`fit: ${path} is not a training checkpoint of format ${FORMAT_VERSION}. Choose another folder, or delete this one to start anew.`);
        }
        if (metadata.get('mamba360.identity') !== this.#identity) {
          throw new ConfigError(`fit: ${path} belongs to another run: its model, seed, data or options differ. Choose another checkpoint folder, delete this one to start anew, or give the options it was started with.`);
        }
        return { tensors, counters: JSON.parse(metadata.get('mamba360.counters')!) as Counters };
      } catch (error) {
        if (!(error instanceof FileError)) throw error;
        onDamaged(error.message);
      }
    }
    if (names.length > 0) throw new FileError(`fit: none of the ${names.length} checkpoints in ${this.folder} can be read. Delete the folder to start anew.`);
    return null;
  }

  /** Writes one and deletes those beyond the number kept. @returns its path. */
  async save(checkpoint: TrainingCheckpoint<Counters>): Promise<string> {
    const { rm } = await import('node:fs/promises');
    const { join } = await import('node:path');
    const path = join(this.folder, `step-${String(checkpoint.counters.step).padStart(9, '0')}.safetensors`);
    await writeFileSafely(path, await writeSealedSafetensors(checkpoint.tensors, [
      ['mamba360.kind', 'training'], ['mamba360.trainingFormat', String(FORMAT_VERSION)], ['mamba360.identity', this.#identity],
      ['mamba360.counters', JSON.stringify(checkpoint.counters)],
    ]));
    for (const name of (await this.#names()).slice(0, -this.#keep)) await rm(join(this.folder, name), { force: true });
    return path;
  }

  /** Oldest first. */
  async #names(): Promise<string[]> {
    const { readdir } = await import('node:fs/promises');
    return (await readdir(this.folder)).filter((name) => /^step-\d{9,}\.safetensors$/.test(name)).sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  }
}
