import { FileError } from '../errors/index.ts';

/** Files that a killed process left behind carry this in their name; `removeLeftovers` deletes them. */
const TEMPORARY_MARK = '.mamba360-temporary-';

/**
 * Writes a file so that a reader sees the old content or the new one, never a part, whenever the process or machine stops (Node only).
 *
 * @param path - Target; its folder is made where missing.
 * @remarks Temporary file in the same folder, fsync, rename, fsync of the folder. A rename across file systems would not be atomic, hence the same folder.
 * @throws FileError if the file system refuses; the temporary file is removed.
 */
export async function writeFileSafely(path: string, bytes: Uint8Array | string): Promise<void> {
  const { mkdir, open, rename, rm } = await import('node:fs/promises');
  const { basename, dirname, join } = await import('node:path');
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}${TEMPORARY_MARK}${process.pid}-${Date.now().toString(36)}-${counter++}`);
  try {
    await mkdir(folder, { recursive: true });
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(folder);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new FileError(`${path} could not be written (${(cause as Error).message}). Whatever was there before is unchanged; check the folder's rights and free space.`, { cause });
  }
}

let counter = 0;

/** Makes renames in a folder durable. Windows cannot open folders and needs no such call. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const { open } = await import('node:fs/promises');
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Deletes temporary files that processes which no longer run left in a folder. */
export async function removeLeftovers(folder: string): Promise<void> {
  const { readdir, rm } = await import('node:fs/promises');
  const { join } = await import('node:path');
  for (const name of await readdir(folder)) {
    const owner = Number(name.split(TEMPORARY_MARK)[1]?.split('-')[0]);
    if (Number.isInteger(owner) && owner > 0 && !isRunning(owner)) await rm(join(folder, name), { force: true });
  }
}

function isRunning(processId: number): boolean {
  if (processId === process.pid) return true;
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM';
  }
}
