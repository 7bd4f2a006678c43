import { FileError } from '../errors/index.ts';
import { readSafetensors, writeSafetensors } from './safetensors.ts';
import type { Safetensors } from './safetensors.ts';
import type { StoredTensor } from './stored-tensor.ts';
import { parseStrictJson } from './strict-json.ts';
import type { Json } from './strict-json.ts';
import { syncFolder, writeFileSafely } from './write-file-safely.ts';

/** A model in Hugging Face layout: config.json and model.safetensors, plus whatever else lies beside them (preprocessing.json, README.md). */
export interface ModelFolder {
  readonly config: { readonly [key: string]: Json };
  readonly tensors: Map<string, StoredTensor>;
  readonly metadata: Map<string, string>;
  /** Other files, by name. */
  readonly files: Map<string, Uint8Array>;
}

/** Where a model is read from: a folder's path (Node only), or its files already in memory (browser, tests, archives). */
export type ModelSource = string | { readonly files: ReadonlyMap<string, Uint8Array> };

/** config.json of real models has some hundred keys; a megabyte is another kind of file. */
const MAX_CONFIG_BYTES = 4_000_000;
/** The index of a model of a thousand layers takes some megabytes. */
const MAX_INDEX_BYTES = 64_000_000;

/**
 * Reads a model folder.
 *
 * @param source - Folder path or files.
 * @param options.read - Names of further files to read if they exist. Default: preprocessing.json.
 * @throws FileError if config.json or the weights (model.safetensors, or shards with model.safetensors.index.json) are missing or not what they should be.
 */
export async function readModelFolder(source: ModelSource, options: { read?: readonly string[] } = {}): Promise<ModelFolder> {
  const where = typeof source === 'string' ? source : 'the given files';
  const read = typeof source === 'string' ? await folderReader(source) : async (name: string) => source.files.get(name);
  const configBytes = await read('config.json');
  const weightBytes = await read('model.safetensors');
  const indexBytes = weightBytes === undefined ? await read('model.safetensors.index.json') : undefined;
  if (configBytes === undefined || (weightBytes === undefined && indexBytes === undefined)) {
    const missing = configBytes === undefined ? 'config.json' : 'model.safetensors';
    const pytorch = weightBytes === undefined && (await read('pytorch_model.bin')) !== undefined;
    throw new FileError(
      `${where}: ${missing} is missing, expected a folder with config.json and model.safetensors.${pytorch ? ' pytorch_model.bin is a Python pickle, which can run code and is never read: convert it with safetensors.torch.save_file.' : ' Give the folder that model.save() wrote.'}`,
    );
  }
  if (configBytes.byteLength > MAX_CONFIG_BYTES) throw new FileError(`${where}: config.json has ${configBytes.byteLength} bytes, the limit is ${MAX_CONFIG_BYTES}.`);
  const config = parseStrictJson(new TextDecoder().decode(configBytes), `${where}: config.json`, { nonFinite: true });
  if (typeof config !== 'object' || config === null || Array.isArray(config)) throw new FileError(`${where}: config.json does not hold an object.`);
  const files = new Map<string, Uint8Array>();
  for (const name of options.read ?? ['preprocessing.json']) {
    const bytes = await read(name);
    if (bytes !== undefined) files.set(name, bytes);
  }
  const weights = weightBytes !== undefined ? readSafetensors(weightBytes, `${where}: model.safetensors`) : await readShards(indexBytes!, read, where);
  return { config, ...weights, files };
}

/** Weights in several files, and the index that says which tensor lies where. Every named file is read once; a tensor in the wrong file or in two of them is a fault. */
async function readShards(index: Uint8Array, read: (name: string) => Promise<Uint8Array | undefined>, where: string): Promise<Safetensors> {
  const what = `${where}: model.safetensors.index.json`;
  if (index.byteLength > MAX_INDEX_BYTES) throw new FileError(`${what} has ${index.byteLength} bytes, the limit is ${MAX_INDEX_BYTES}.`);
  const parsed = parseStrictJson(new TextDecoder().decode(index), what, { nonFinite: true });
  const map = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? parsed['weight_map'] : undefined;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) throw new FileError(`${what}: weight_map is missing, expected an object of tensor names and file names. Fetch the index again.`);
  const places = new Map(Object.entries(map));
  const tensors = new Map<string, StoredTensor>(), metadata = new Map<string, string>();
  for (const name of new Set(places.values())) {
    if (typeof name !== 'string' || !/^[\w.-]+\.safetensors$/.test(name) || name.includes('..')) throw new FileError(`${what}: file name ${JSON.stringify(name)} is not the plain name of a .safetensors file beside it.`);
    const bytes = await read(name);
    if (bytes === undefined) throw new FileError(`${where}: ${name} is missing, which model.safetensors.index.json names. Fetch every file of the model.`);
    const shard = readSafetensors(bytes, `${where}: ${name}`);
    for (const [tensor, stored] of shard.tensors) {
      if (places.get(tensor) !== name) throw new FileError(`${where}: ${name} holds the tensor ${JSON.stringify(tensor)}, which the index places in ${JSON.stringify(places.get(tensor) ?? 'no file')}. The files are of different versions; fetch all of them again.`);
      tensors.set(tensor, stored);
    }
    for (const [key, value] of shard.metadata) metadata.set(key, value);
  }
  const absent = [...places.keys()].find((tensor) => !tensors.has(tensor));
  if (absent !== undefined) throw new FileError(`${where}: the tensor ${JSON.stringify(absent)} is not in ${String(places.get(absent))}, where the index places it. Fetch that file again.`);
  return { tensors, metadata };
}

/** The files of a model folder in memory. */
export function encodeModelFolder(model: { config: object; tensors: Iterable<readonly [string, StoredTensor]>; metadata?: Iterable<readonly [string, string]>; files?: Iterable<readonly [string, Uint8Array | string]> }): Map<string, Uint8Array> {
  const encoder = new TextEncoder();
  const result = new Map<string, Uint8Array>();
  for (const [name, content] of model.files ?? []) result.set(name, typeof content === 'string' ? encoder.encode(content) : content);
  result.set('config.json', encoder.encode(`${JSON.stringify(model.config, null, 2)}\n`));
  result.set('model.safetensors', writeSafetensors(model.tensors, [['format', 'pt'], ...(model.metadata ?? [])]));
  return result;
}

/**
 * Writes a model folder (Node only). A new folder appears complete or not at all; in an existing one each file is replaced whole, the weights last.
 */
export async function writeModelFolder(folder: string, model: Parameters<typeof encodeModelFolder>[0]): Promise<void> {
  const files = encodeModelFolder(model);
  for (const name of files.keys()) {
    if (name.includes('/') || name.includes('\\') || name === '..' || name === '') throw new FileError(`writeModelFolder: file name ${JSON.stringify(name)} is not a plain name.`);
  }
  const { mkdir, rename, rm, stat } = await import('node:fs/promises');
  const { dirname, join, resolve } = await import('node:path');
  const target = resolve(folder);
  const exists = await stat(target).then(() => true, () => false);
  if (exists) {
    for (const [name, bytes] of files) await writeFileSafely(join(target, name), bytes);
    return;
  }
  const temporary = `${target}.mamba360-temporary-${process.pid}-${Date.now().toString(36)}`;
  try {
    await mkdir(temporary, { recursive: true });
    for (const [name, bytes] of files) await writeFileSafely(join(temporary, name), bytes);
    await rename(temporary, target);
    await syncFolder(dirname(target));
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true });
    throw new FileError(`${folder} could not be written (${(cause as Error).message}). Nothing was left behind; check the rights and free space of the folder above it.`, { cause });
  }
}

async function folderReader(folder: string): Promise<(name: string) => Promise<Uint8Array | undefined>> {
  const { readFile } = await import('node:fs/promises');
  const { join } = await import('node:path');
  return async (name) => {
    try {
      return new Uint8Array(await readFile(join(folder, name)));
    } catch (cause) {
      if (['ENOENT', 'ENOTDIR'].includes((cause as { code?: string }).code ?? '')) return undefined;
      throw new FileError(`${join(folder, name)} could not be read (${(cause as Error).message}).`, { cause });
    }
  };
}
