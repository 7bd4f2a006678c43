/** One tensor of a golden file. Integers come as numbers; the files hold none beyond 2^53. */
export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly dtype: 'F32' | 'F64' | 'I64' | 'I32';
  readonly values: Float32Array | Float64Array;
}

const BYTES = { F32: 4, F64: 8, I64: 8, I32: 4 } as const;

interface HeaderEntry { dtype: keyof typeof BYTES; shape: number[]; data_offsets: [number, number] }

function decode(bytes: Uint8Array, dtype: keyof typeof BYTES): Float32Array | Float64Array {
  // A copy, because the data need not lie on multiples of the element size (and not `slice`, which a Buffer of Node answers with a view).
  const { buffer } = new Uint8Array(bytes);
  if (dtype === 'F32') return new Float32Array(buffer);
  if (dtype === 'F64') return new Float64Array(buffer);
  if (dtype === 'I32') return Float64Array.from(new Int32Array(buffer));
  return Float64Array.from(new BigInt64Array(buffer), Number);
}

/**
 * Reads a golden `.safetensors`. Independent of the reader in `@mamba360/ssm/checkpoints` on purpose: what checks that one must not share
 * its mistakes. Throws an Error that says what is wrong with a malformed file.
 */
export function readGoldenTensors(file: Uint8Array): Map<string, GoldenTensor> {
  if (file.length < 8) throw new Error(`the file has ${file.length} bytes, a safetensors file has at least 8`);
  const headerLength = Number(new DataView(file.buffer, file.byteOffset, 8).getBigUint64(0, true));
  if (headerLength > file.length - 8) throw new Error(`the header claims ${headerLength} bytes, ${file.length - 8} follow`);
  const header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(file.subarray(8, 8 + headerLength))) as Record<string, HeaderEntry>;
  if (typeof header !== 'object' || header === null || Array.isArray(header)) throw new Error('the header is not an object');
  const data = file.subarray(8 + headerLength);
  const tensors = new Map<string, GoldenTensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    if (!Array.isArray(entry?.data_offsets)) throw new Error(`tensor ${name} has no valid entry in the header`);
    const { dtype, shape, data_offsets: offsets } = entry;
    if (!(dtype in BYTES)) throw new Error(`tensor ${name} has dtype ${String(dtype)}, expected F32, F64, I64 or I32`);
    if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) throw new Error(`tensor ${name} has no valid shape`);
    const [begin, end] = offsets;
    const bytes = shape.reduce((product, size) => product * size, 1) * BYTES[dtype];
    if (!(begin >= 0) || end - begin !== bytes || end > data.length) {
      throw new Error(`tensor ${name} of shape [${shape.join(', ')}] needs ${bytes} bytes, its offsets are ${begin} to ${end} of ${data.length}`);
    }
    tensors.set(name, { shape, dtype, values: decode(data.subarray(begin, end), dtype) });
  }
  return tensors;
}
