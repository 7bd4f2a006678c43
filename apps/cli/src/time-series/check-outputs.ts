import { ConfigError, FileError } from '@mamba360/ssm/errors';
import type { ForecastSettings } from './forecast-options.ts';

/**
 * Look whether everything asked for can be written, before any work is done: not after an hour of training, and not after half of the files.
 *
 * @throws ConfigError where two outputs are one file, or an output is the input.
 * @throws FileError where a folder is missing or may not be written.
 */
export async function checkOutputs({ file, plot, output, save }: Pick<ForecastSettings, 'file' | 'plot' | 'output' | 'save'>): Promise<void> {
  const { resolve } = await import('node:path');
  const taken = new Map([[resolve(file), 'the file to forecast']]);
  for (const [option, path] of [['--plot', plot], ['--output', output], ['--save', save]] as const) {
    if (path === undefined) continue;
    const other = taken.get(resolve(path));
    if (other !== undefined) throw new ConfigError(`${option} is ${path}, and so is ${other}, expected different names. Choose another name.`);
    taken.set(resolve(path), option);
    await checkPlace(option, path, option === '--save');
  }
}

async function checkPlace(option: string, path: string, asFolder: boolean): Promise<void> {
  const { access, constants, stat } = await import('node:fs/promises');
  const { dirname, resolve } = await import('node:path');
  const kindOf = async (place: string): Promise<'folder' | 'file' | 'nothing'> => stat(place).then(found => (found.isDirectory() ? 'folder' : 'file'), () => 'nothing');
  const kind = await kindOf(path);
  if (kind !== 'nothing' && (kind === 'folder') !== asFolder) throw new FileError(`${option} ${path} cannot be written: it is a ${kind}, expected a ${asFolder ? 'folder' : 'file'}. Choose another name.`);
  let place = kind === 'nothing' ? dirname(resolve(path)) : path;
  // A model's folder is made with those above it; a file's folder must be there.
  if (asFolder) while (await kindOf(place) === 'nothing' && dirname(place) !== place) place = dirname(place);
  if (kind === 'nothing' && await kindOf(place) !== 'folder') throw new FileError(`${option} ${path} cannot be written: there is no folder ${place}. Make it, or choose another.`);
  await access(place, constants.W_OK).catch((cause: unknown) => {
    throw new FileError(`${option} ${path} cannot be written: ${place} is not open for writing. Change its permissions, or choose another.`, { cause });
  });
}
