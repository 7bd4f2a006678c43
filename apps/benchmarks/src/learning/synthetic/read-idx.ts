import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { FileError } from '@mamba360/ssm/errors';

/** Bytes of an IDX file (unsigned bytes, big-endian header), gzipped or not. */
export async function readIdx(path: string): Promise<{ shape: number[]; values: Uint8Array }> {
  const raw = await readFile(path).catch((error: unknown) => { throw new FileError(`bench: ${path} cannot be read. Give the folder of data sets with --data.`, { cause: error }); });
  const bytes = raw[0] === 0x1f && raw[1] === 0x8b ? gunzipSync(raw) : raw;
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0 || bytes[2] !== 8 || bytes[3]! < 1 || bytes[3]! > 4) throw new FileError(`bench: ${path} is no IDX file of unsigned bytes.`);
  const shape = Array.from({ length: bytes[3]! }, (_, axis) => bytes.readUInt32BE(4 + 4 * axis));
  const values = bytes.subarray(4 + 4 * shape.length);
  const size = shape.reduce((a, b) => a * b, 1);
  if (values.length !== size) throw new FileError(`bench: ${path} holds ${values.length} bytes, expected ${size} for ${shape.join(' x ')}.`);
  return { shape, values };
}
