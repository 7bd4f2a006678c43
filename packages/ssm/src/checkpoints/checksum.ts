import { FileError } from '../errors/index.ts';
import { readSafetensors, writeSafetensors } from './safetensors.ts';
import type { Safetensors } from './safetensors.ts';
import type { StoredTensor } from './stored-tensor.ts';

const CHECKSUM_KEY = 'mamba360.sha256';

/** SHA-256 as hexadecimal text, of several parts in order. */
export async function sha256(...parts: (Uint8Array | string)[]): Promise<string> {
  const encoder = new TextEncoder();
  const pieces = parts.map((part) => (typeof part === 'string' ? encoder.encode(part) : part));
  // Each part is preceded by its length, so that moving a byte from one part to the next changes the sum.
  const total = pieces.reduce((sum, piece) => sum + 8 + piece.byteLength, 0);
  const joined = new Uint8Array(total);
  let offset = 0;
  for (const piece of pieces) {
    new DataView(joined.buffer).setBigUint64(offset, BigInt(piece.byteLength), true);
    joined.set(piece, offset + 8);
    offset += 8 + piece.byteLength;
  }
  const digest = new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', joined));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Writes a safetensors file whose metadata holds a checksum of everything else in it. */
export async function writeSealedSafetensors(tensors: Iterable<readonly [string, StoredTensor]>, metadata: Iterable<readonly [string, string]> = []): Promise<Uint8Array> {
  const entries = [...tensors];
  const labels = [...metadata].filter(([key]) => key !== CHECKSUM_KEY);
  const sum = await contentSum(new Map(entries), new Map(labels));
  return writeSafetensors(entries, [...labels, [CHECKSUM_KEY, sum]]);
}

/**
 * Reads what `writeSealedSafetensors` wrote.
 *
 * @throws FileError if the checksum is missing or does not match: the file was damaged after it was written.
 */
export async function readSealedSafetensors(file: Uint8Array, name = 'safetensors file'): Promise<Safetensors> {
  const { tensors, metadata } = readSafetensors(file, name);
  const expected = metadata.get(CHECKSUM_KEY);
  metadata.delete(CHECKSUM_KEY);
  const got = await contentSum(tensors, metadata);
  if (got !== expected) {
    throw new FileError(`${name}: checksum is ${got}, expected ${expected ?? 'one in the metadata, but there is none'}. The file was damaged or edited after it was saved; use an earlier one.`);
  }
  return { tensors, metadata };
}

async function contentSum(tensors: Map<string, StoredTensor>, metadata: Map<string, string>): Promise<string> {
  const byName = (a: readonly [string, unknown], b: readonly [string, unknown]): number => (a[0] < b[0] ? -1 : 1);
  const parts: (Uint8Array | string)[] = [JSON.stringify([...metadata].sort(byName))];
  for (const [name, { dtype, shape, bytes }] of [...tensors].sort(byName)) parts.push(JSON.stringify([name, dtype, shape]), bytes);
  return sha256(...parts);
}
