import { FileError } from '../errors/index.ts';
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from './half-precision.ts';

/** Number formats of the safetensors files we read; their sizes in bytes. */
export const DTYPE_BYTES = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, U8: 1, BOOL: 1 } as const;
export type Dtype = keyof typeof DTYPE_BYTES;
export type WritableDtype = Exclude<Dtype, 'F64' | 'BOOL'>;

/** One tensor as it lies in a file: little-endian, row-major, last axis fastest. */
export interface StoredTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export type TensorValues = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;

/** Values in the nearest typed array: F16 and BF16 widen to float32, BOOL is 0 or 1. Always a copy, so the file's bytes may go. */
export function tensorValues(tensor: StoredTensor): TensorValues {
  // A tensor may begin at any byte of its file; typed arrays need alignment, which the copy has.
  const { buffer } = tensor.bytes.slice();
  switch (tensor.dtype) {
    case 'F64': return new Float64Array(buffer);
    case 'F32': return new Float32Array(buffer);
    case 'F16': return float16ToFloat32(new Uint16Array(buffer));
    case 'BF16': return bfloat16ToFloat32(new Uint16Array(buffer));
    case 'I64': return new BigInt64Array(buffer);
    case 'I32': return new Int32Array(buffer);
    case 'U8': case 'BOOL': return new Uint8Array(buffer);
  }
}

/** Values as float32; integers above 2^24 and float64 are rounded to nearest. */
export function float32Values(tensor: StoredTensor): Float32Array {
  const values = tensorValues(tensor);
  if (values instanceof Float32Array) return values;
  return values instanceof BigInt64Array ? Float32Array.from(values, Number) : Float32Array.from(values);
}

/**
 * Stores values in a file format, rounding float32 to F16 or BF16 where asked.
 *
 * @throws FileError if the number of values is not the product of the shape.
 */
export function storeTensor(values: Float32Array | Int32Array | BigInt64Array | Uint8Array, shape: readonly number[], dtype?: WritableDtype): StoredTensor {
  const count = shape.reduce((product, length) => product * length, 1);
  const natural = values instanceof Float32Array ? 'F32' : values instanceof Int32Array ? 'I32' : values instanceof BigInt64Array ? 'I64' : 'U8';
  const target = dtype ?? natural;
  if (values.length !== count) throw new FileError(`storeTensor: got ${values.length} values for shape [${shape}], expected ${count}.`);
  if (target !== natural && !(natural === 'F32' && (target === 'F16' || target === 'BF16'))) {
    throw new FileError(`storeTensor: got ${natural} values for dtype ${target}. Only float32 narrows (to F16 or BF16); convert the array first.`);
  }
  const stored = target === 'F16' ? float32ToFloat16(values as Float32Array) : target === 'BF16' ? float32ToBfloat16(values as Float32Array) : values;
  return { dtype: target, shape: [...shape], bytes: new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength).slice() };
}
