import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileError } from '../errors/index.ts';
import { encodeModelFolder, readModelFolder, removeLeftovers, storeTensor, writeFileSafely, writeModelFolder } from './index.ts';

let folder: string;
beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), 'mamba360-')); });
afterEach(() => rm(folder, { recursive: true, force: true }));

const model = { config: { dModel: 4 }, tensors: [['weight', storeTensor(new Float32Array([1, 2]), [2])]] as const, files: [['preprocessing.json', '{}']] as const };

describe('model folder', () => {
  it('goes to disk and back, new and over an old one, and leaves nothing else', async () => {
    for (let round = 0; round < 2; round++) {
      await writeModelFolder(join(folder, 'model'), model);
      const back = await readModelFolder(join(folder, 'model'));
      expect(back.config).toEqual({ dModel: 4 });
      expect(back.tensors.get('weight')?.shape).toEqual([2]);
      expect([...back.files.keys()]).toEqual(['preprocessing.json']);
      expect((await readdir(folder)).concat(await readdir(join(folder, 'model'))).sort()).toEqual(['config.json', 'model', 'model.safetensors', 'preprocessing.json']);
    }
  });

  it('reads from memory', async () => {
    expect((await readModelFolder({ files: encodeModelFolder(model) })).config).toEqual({ dModel: 4 });
  });

  it('reads a config with a bare Infinity, as Python writes it', async () => {
    const files = encodeModelFolder(model);
    files.set('config.json', new TextEncoder().encode('{"time_step_limit": [0.0, Infinity]}'));
    expect((await readModelFolder({ files })).config).toEqual({ time_step_limit: [0, Infinity] });
  });

  it('says what is missing, and refuses pickles with a hint', async () => {
    await expect(readModelFolder(folder)).rejects.toThrow('config.json is missing');
    await writeFile(join(folder, 'config.json'), '{}');
    await writeFile(join(folder, 'pytorch_model.bin'), 'x');
    await expect(readModelFolder(folder)).rejects.toThrow('safetensors.torch.save_file');
  });

  it('refuses file names that leave the folder', async () => {
    await expect(writeModelFolder(join(folder, 'm'), { ...model, files: [['../x', '']] })).rejects.toThrow(FileError);
  });
});

describe('writeFileSafely', () => {
  it('keeps the old content and no temporary file when it fails', async () => {
    const path = join(folder, 'a', 'b.bin');
    await writeFileSafely(path, 'old');
    await expect(writeFileSafely(join(path, 'below-a-file'), 'new')).rejects.toThrow(FileError);
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(join(folder, 'a'))).toEqual(['b.bin']);
  });

  it('removes leftovers of dead processes only', async () => {
    await writeFile(join(folder, '.x.mamba360-temporary-999999999-a-0'), '');
    await writeFile(join(folder, `.x.mamba360-temporary-${process.pid}-a-0`), '');
    await removeLeftovers(folder);
    expect(await readdir(folder)).toEqual([`.x.mamba360-temporary-${process.pid}-a-0`]);
  });
});
