import { FileError } from '../errors/index.ts';
import { DTYPE_BYTES } from './stored-tensor.ts';
import type { Dtype, StoredTensor } from './stored-tensor.ts';
import { parseStrictJson } from './strict-json.ts';
import type { Json } from './strict-json.ts';

/** Named limits on numbers read from a file, each with its reason. */
export const SAFETENSORS_LIMITS = {
  /** The format's own limit; the longest known header of a published model is under 10 MB. */
  headerBytes: 100_000_000,
  /** Far above any real tensor (5), and keeps a shape's product cheap to check. */
  rank: 16,
  /** The largest published checkpoints hold about 100,000 tensors in a file. */
  tensors: 1_000_000,
  /** Text of one name; longer ones only serve to fill logs. */
  nameLength: 1024,
} as const;

export interface Safetensors {
  readonly tensors: Map<string, StoredTensor>;
  readonly metadata: Map<string, string>;
}

/**
 * Reads a safetensors file: 8 bytes little-endian header length, a JSON header, raw little-endian values.
 *
 * @param file - The whole file. Tensors are views of it, nothing is copied.
 * @param name - What error texts call it.
 * @returns Tensors in the order of their bytes, and the text-to-text metadata.
 * @throws FileError for anything the format forbids: a header longer than the file, duplicate keys, `__proto__`, an unknown dtype, a size that
 * is not the product of the shape, overlaps, gaps, bytes behind the last tensor.
 * @see huggingface/safetensors, the README's format section.
 */
export function readSafetensors(file: Uint8Array, name = 'safetensors file'): Safetensors {
  const fail = (problem: string): never => {
    throw new FileError(`${name}: ${problem}. The file is damaged, truncated or not a safetensors file; fetch or save it again.`);
  };
  if (file.byteLength < 8) fail(`has ${file.byteLength} bytes, expected at least 8`);
  const declared = new DataView(file.buffer, file.byteOffset, 8).getBigUint64(0, true);
  if (declared > BigInt(SAFETENSORS_LIMITS.headerBytes)) fail(`declares a header of ${declared} bytes, the limit is ${SAFETENSORS_LIMITS.headerBytes}`);
  const headerBytes = Number(declared);
  if (headerBytes > file.byteLength - 8) fail(`declares a header of ${headerBytes} bytes, but only ${file.byteLength - 8} follow`);
  if (file[8] !== 0x7b) fail('its header does not begin with "{"');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(file.subarray(8, 8 + headerBytes));
  } catch {
    return fail('its header is not UTF-8');
  }
  const header = parseStrictJson(text, name) as { [key: string]: Json };
  const data = file.subarray(8 + headerBytes);

  const metadata = new Map<string, string>();
  const entries: { key: string; dtype: Dtype; shape: number[]; begin: number; end: number }[] = [];
  for (const [key, value] of Object.entries(header)) {
    if (key.length > SAFETENSORS_LIMITS.nameLength) fail(`a tensor name has ${key.length} characters, the limit is ${SAFETENSORS_LIMITS.nameLength}`);
    if (key === '__metadata__') {
      if (!isObject(value)) return fail('__metadata__ is not an object');
      for (const [label, content] of Object.entries(value)) {
        if (typeof content !== 'string') return fail(`metadata ${JSON.stringify(label)} is not a text`);
        metadata.set(label, content);
      }
    } else entries.push({ key, ...readEntry(key, value, data.byteLength, fail) });
  }
  if (entries.length > SAFETENSORS_LIMITS.tensors) fail(`holds ${entries.length} tensors, the limit is ${SAFETENSORS_LIMITS.tensors}`);

  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  for (const { key, begin, end } of entries) {
    if (begin !== position) fail(`tensor ${JSON.stringify(key)} begins at byte ${begin}, expected ${position} (${begin < position ? 'overlap' : 'gap'})`);
    position = end;
  }
  if (position !== data.byteLength) fail(`its tensors end at byte ${position}, but ${data.byteLength} bytes of data follow the header`);
  const tensors = new Map(entries.map(({ key, dtype, shape, begin, end }) => [key, { dtype, shape, bytes: data.subarray(begin, end) }]));
  return { tensors, metadata };
}

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0);
}

function readEntry(key: string, entry: Json, dataBytes: number, fail: (problem: string) => never): { dtype: Dtype; shape: number[]; begin: number; end: number } {
  const label = `tensor ${JSON.stringify(key)}`;
  if (!isObject(entry)) return fail(`${label} is not an object`);
  const { dtype, shape, data_offsets: offsets, ...rest } = entry;
  if (Object.keys(rest).length > 0) fail(`${label} has an unknown field ${JSON.stringify(Object.keys(rest)[0].slice(0, 80))}`);
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype)) return fail(`${label} has dtype ${JSON.stringify(dtype)?.slice(0, 80)}, known are ${Object.keys(DTYPE_BYTES).join(', ')}`);
  if (!Array.isArray(shape) || shape.length > SAFETENSORS_LIMITS.rank || !shape.every(isCount)) return fail(`${label} has no valid shape of at most ${SAFETENSORS_LIMITS.rank} axes`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) return fail(`${label} has no valid data_offsets`);
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataBytes) return fail(`${label} lies at bytes ${begin} to ${end}, but ${dataBytes} bytes of data follow the header`);
  const lengths = shape as number[];
  // Zero first: an empty tensor may have any other axis, so 2^53 * 0 must not count as an overflow.
  const bytes = lengths.includes(0) ? 0 : lengths.reduce((product, length) => product * length, DTYPE_BYTES[dtype as Dtype]);
  if (bytes !== end - begin) return fail(`${label} of ${dtype} [${lengths}] takes ${bytes} bytes, but lies at bytes ${begin} to ${end}`);
  return { dtype: dtype as Dtype, shape: lengths, begin, end };
}

/**
 * Writes a safetensors file.
 *
 * @param tensors - In the order wanted in the file; wide formats are moved to the front so that every tensor is aligned to its own size.
 * @param metadata - Text to text.
 * @returns The whole file; equal input gives equal bytes.
 */
export function writeSafetensors(tensors: Iterable<readonly [string, StoredTensor]>, metadata: Iterable<readonly [string, string]> = []): Uint8Array {
  const sorted = [...tensors].sort(([, a], [, b]) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype]);
  const names = new Set<string>();
  // JSON by hand: an object literal would move number-like names to the front and lose "__proto__" silently.
  const fields: string[] = [];
  const pairs = [...metadata].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  if (pairs.length > 0) fields.push(`"__metadata__":{${pairs.join(',')}}`);
  let position = 0;
  for (const [name, { dtype, shape, bytes }] of sorted) {
    if (names.has(name) || name === '__metadata__' || name === '__proto__' || name.length > SAFETENSORS_LIMITS.nameLength) {
      throw new FileError(`writeSafetensors: tensor name ${JSON.stringify(name.slice(0, 80))} is reserved, doubled or longer than ${SAFETENSORS_LIMITS.nameLength} characters. Rename the tensor.`);
    }
    names.add(name);
    fields.push(`${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${position},${position + bytes.byteLength}]}`);
    position += bytes.byteLength;
  }
  const header = new TextEncoder().encode(`{${fields.join(',')}}`);
  const headerBytes = Math.ceil(header.byteLength / 8) * 8;
  const file = new Uint8Array(8 + headerBytes + position);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.fill(0x20, 8, 8 + headerBytes);
  file.set(header, 8);
  let offset = 8 + headerBytes;
  for (const [, { bytes }] of sorted) {
    file.set(bytes, offset);
    offset += bytes.byteLength;
  }
  return file;
}
