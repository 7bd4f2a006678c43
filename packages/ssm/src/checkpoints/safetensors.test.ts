import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FileError } from '../errors/index.ts';
import { float32ToFloat16, float16ToFloat32, float32ToBfloat16, readSafetensors, readSealedSafetensors, storeTensor, tensorValues, writeSafetensors, writeSealedSafetensors } from './index.ts';
import type { StoredTensor } from './index.ts';

function rawFile(header: string, dataBytes = 0, declared?: bigint): Uint8Array {
  const text = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + text.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, declared ?? BigInt(text.length), true);
  file.set(text, 8);
  return file;
}

const example = (): [string, StoredTensor][] => [
  ['flags', storeTensor(new Uint8Array([1, 2, 3]), [3])],
  ['weight', storeTensor(new Float32Array([1.5, -2, 3.25, 0]), [2, 2])],
  ['ids', storeTensor(new BigInt64Array([5n, -7n]), [2])],
  ['half', storeTensor(new Float32Array([0.1, 70000]), [2], 'F16')],
  ['brain', storeTensor(new Float32Array([0.1]), [1], 'BF16')],
  ['count', storeTensor(new Int32Array([42]), [])],
  ['empty', storeTensor(new Float32Array([]), [0, 4])],
];

describe('safetensors', () => {
  it('reads back what it wrote, every dtype, aligned, byte for byte again', () => {
    const file = writeSafetensors(example(), [['origin', 'test']]);
    const { tensors, metadata } = readSafetensors(file);
    expect(metadata).toEqual(new Map([['origin', 'test']]));
    for (const [name, tensor] of example()) {
      expect(tensors.get(name)).toEqual(tensor);
      expect((tensors.get(name)!.bytes.byteOffset - file.byteOffset) % ({ I64: 8, F32: 4, I32: 4, F16: 2, BF16: 2 } as Record<string, number>)[tensor.dtype] || 0).toBe(0);
    }
    expect(tensorValues(tensors.get('half')!)).toEqual(new Float32Array([0.0999755859375, Infinity]));
    expect(tensorValues(tensors.get('brain')!)).toEqual(new Float32Array([0.10009765625]));
    expect(tensorValues(tensors.get('ids')!)).toEqual(new BigInt64Array([5n, -7n]));
    expect(writeSafetensors(tensors, metadata)).toEqual(file);
  });

  it('reads F64 and BOOL at an unaligned place', () => {
    const file = rawFile('{"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F64","shape":[1],"data_offsets":[1,9]}}', 9);
    new DataView(file.buffer).setFloat64(file.byteLength - 8, 1 / 3, true);
    expect(tensorValues(readSafetensors(file).tensors.get('b')!)).toEqual(new Float64Array([1 / 3]));
  });

  const tensor = (fields: string): string => `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]${fields}}}`;
  it.each<[string, Uint8Array, string]>([
    ['an empty file', new Uint8Array(0), 'has 0 bytes'],
    ['a header above the limit', rawFile('{}', 0, 2n ** 40n), 'the limit is'],
    ['a header longer than the file', rawFile('{}', 0, 50n), 'only 2 follow'],
    ['a duplicate key', rawFile(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4), 'duplicate key'],
    ['an escaped duplicate key', rawFile(`{"a":1,"\\u0061":2}`), 'duplicate key'],
    ['__proto__', rawFile('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4), '__proto__'],
    ['an unknown field', rawFile(tensor(',"x":1'), 4), 'unknown field'],
    ['an unknown dtype', rawFile('{"a":{"dtype":"toString","shape":[1],"data_offsets":[0,4]}}', 4), 'dtype'],
    ['overlap', rawFile('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', 8), 'overlap'],
    ['a gap', rawFile('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', 8), 'gap'],
    ['bytes behind the end', rawFile(tensor(''), 8), 'but 8 bytes of data follow'],
    ['a truncated file', rawFile(tensor(''), 2), 'but 2 bytes of data follow'],
    ['a size that overflows', rawFile('{"a":{"dtype":"F32","shape":[9007199254740991,9007199254740991,9007199254740991],"data_offsets":[0,4]}}', 4), 'takes'],
    ['a negative axis', rawFile('{"a":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}', 4), 'shape'],
    ['a fractional offset', rawFile('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0.5,4.5]}}', 5), 'data_offsets'],
    ['a size that differs from the shape', rawFile('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', 4), 'takes 8 bytes'],
    ['metadata that is not text', rawFile('{"__metadata__":{"a":1}}'), 'not a text'],
    ['deep nesting', rawFile(`{"a":${'['.repeat(5000)}`), 'nesting'],
    ['broken UTF-8', (() => { const file = rawFile('{"a":1}'); file[10] = 0xff; return file; })(), 'UTF-8'],
  ])('refuses %s', (_, file, text) => {
    expect(() => readSafetensors(file, 'bad.safetensors')).toThrow(FileError);
    expect(() => readSafetensors(file, 'bad.safetensors')).toThrow(text);
  });

  it('never does anything but throw FileError or return tensors inside the file, for mutated files', () => {
    const valid = writeSafetensors(example(), [['origin', 'test']]);
    fc.assert(fc.property(
      fc.array(fc.tuple(fc.nat(valid.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 }), fc.nat(valid.length),
      (changes, length) => {
        const file = valid.slice(0, length > valid.length / 2 ? valid.length : length);
        for (const [position, byte] of changes) if (position < file.length) file[position] = byte;
        try {
          const total = [...readSafetensors(file).tensors.values()].reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
          expect(total).toBeLessThanOrEqual(file.byteLength);
        } catch (error) {
          expect(error).toBeInstanceOf(FileError);
        }
      }), { numRuns: 3000 });
  });

  it('never does anything but throw FileError for random JSON headers', () => {
    fc.assert(fc.property(fc.json(), (json) => {
      try {
        readSafetensors(rawFile(json, 16));
      } catch (error) {
        expect(error).toBeInstanceOf(FileError);
      }
    }), { numRuns: 1000 });
  });
});

describe('half precision', () => {
  it('float16 -> float32 -> float16 is the identity on all 65,536 patterns', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, index) => index);
    const back = float32ToFloat16(float16ToFloat32(all));
    for (let i = 0; i < 65536; i++) {
      const isNan = (i & 0x7c00) === 0x7c00 && (i & 0x3ff) !== 0;
      if (isNan ? (back[i] & 0x7c00) !== 0x7c00 || (back[i] & 0x3ff) === 0 : back[i] !== i) throw new Error(`pattern ${i} became ${back[i]}`);
    }
  });

  it('rounds to nearest, ties to even', () => {
    const values = new Float32Array([1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519.99, 65520, 2 ** -25, 2 ** -25 * 1.001, 2 ** -24 * 1.5, -0]);
    expect([...float32ToFloat16(values)]).toEqual([0x3c00, 0x3c02, 0x7bff, 0x7c00, 0, 1, 2, 0x8000]);
    expect([...float32ToBfloat16(new Float32Array([1 + 2 ** -8, 1 + 3 * 2 ** -8, Infinity, NaN, 3.4e38]))]).toEqual([0x3f80, 0x3f82, 0x7f80, 0x7fc0, 0x7f80]);
  });

  it('float16 is the nearest of its neighbours for random values', () => {
    fc.assert(fc.property(fc.float({ min: Math.fround(-70000), max: Math.fround(70000), noNaN: true }), (value) => {
      const code = float32ToFloat16(new Float32Array([value]))[0];
      const at = (pattern: number): number => float16ToFloat32(new Uint16Array([pattern]))[0];
      if (!Number.isFinite(at(code))) return Math.abs(value) >= 65520;
      const distance = Math.abs(at(code) - value);
      return [code - 1, code + 1].every((other) => (other & 0x7fff) > 0x7bff || other < 0 || distance <= Math.abs(at(other) - value));
    }), { numRuns: 2000 });
  });
});

describe('sealed files', () => {
  it('detects any changed byte of tensors, names, shapes or metadata', async () => {
    const file = await writeSealedSafetensors(example(), [['step', '12']]);
    expect((await readSealedSafetensors(file)).metadata).toEqual(new Map([['step', '12']]));
    for (const position of [file.length - 1, file.length - 9, file.indexOf(0x31, 20)]) {
      const damaged = file.slice();
      damaged[position] ^= 1;
      await expect(readSealedSafetensors(damaged)).rejects.toThrow(FileError);
    }
    await expect(readSealedSafetensors(writeSafetensors(example()))).rejects.toThrow('there is none');
  });
});
