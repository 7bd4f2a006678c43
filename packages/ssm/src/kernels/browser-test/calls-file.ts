import type { KernelBuffer, KernelCall } from '../target.ts';

/** A buffer in the file: its kind, its elements, and for inputs the place of its values. Outputs have no values. */
interface Place { readonly kind: 'f32' | 'f64' | 'i32' | 'u8'; readonly length: number; readonly offset: number }
/** Scalars are text: JSON has no infinity. */
interface CallHeader { readonly kernel: string; readonly integers: readonly number[]; readonly scalars?: readonly string[]; readonly inputs: readonly (Place | null)[]; readonly outputs: readonly (Place | null)[] }

const KINDS = { f32: Float32Array, f64: Float64Array, i32: Int32Array, u8: Uint8Array } as const;
const kindOf = (buffer: KernelBuffer): Place['kind'] => (buffer instanceof Float32Array ? 'f32' : buffer instanceof Float64Array ? 'f64' : buffer instanceof Int32Array ? 'i32' : 'u8');

export const bytesOf = (buffer: KernelBuffer): Uint8Array<ArrayBuffer> => new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.byteLength);

/** Calls as one file, so that Node and the page work on the same values: [bytes of the header, header as JSON, values]. */
export function writeCalls(calls: readonly KernelCall[]): Uint8Array<ArrayBuffer> {
  const parts: { at: number; buffer: KernelBuffer }[] = [];
  let size = 0;
  const place = (buffer: KernelBuffer | null, isInput: boolean): Place | null => {
    if (buffer === null) return null;
    const offset = isInput ? size : 0;
    if (isInput) {
      parts.push({ at: offset, buffer });
      size += Math.ceil(buffer.byteLength / 8) * 8;
    }
    return { kind: kindOf(buffer), length: buffer.length, offset };
  };
  const headers = calls.map(({ kernel, integers, scalars, inputs, outputs }): CallHeader => ({
    kernel, integers, ...(scalars ? { scalars: scalars.map(String) } : {}), inputs: inputs.map((buffer) => place(buffer, true)), outputs: outputs.map((buffer) => place(buffer, false)),
  }));
  const text = new TextEncoder().encode(JSON.stringify(headers)), start = Math.ceil((4 + text.length) / 8) * 8, file = new Uint8Array(start + size);
  new DataView(file.buffer).setUint32(0, text.length, true);
  file.set(text, 4);
  for (const { at, buffer } of parts) file.set(bytesOf(buffer), start + at);
  return file;
}

/** The calls of a file, their outputs full of NaN (zeros where whole numbers). */
export function readCalls(file: ArrayBuffer): KernelCall[] {
  const length = new DataView(file).getUint32(0, true), start = Math.ceil((4 + length) / 8) * 8;
  const headers = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 4, length))) as CallHeader[];
  const input = (place: Place | null): KernelBuffer | null => (place === null ? null : new KINDS[place.kind](file, start + place.offset, place.length));
  const output = (place: Place | null): KernelBuffer | null => (place === null ? null : new KINDS[place.kind](place.length).fill(NaN));
  return headers.map(({ inputs, outputs, scalars, ...rest }) => ({ ...rest, ...(scalars ? { scalars: scalars.map(Number) } : {}), inputs: inputs.map(input), outputs: outputs.map(output) }));
}

/** Every output of the calls, one after another. */
export function joinOutputs(calls: readonly KernelCall[]): Uint8Array<ArrayBuffer> {
  const outputs = calls.flatMap((call) => call.outputs.filter((buffer) => buffer !== null)), joined = new Uint8Array(outputs.reduce((sum, buffer) => sum + buffer.byteLength, 0));
  let at = 0;
  for (const buffer of outputs) {
    joined.set(bytesOf(buffer), at);
    at += buffer.byteLength;
  }
  return joined;
}

/** SHA-256 of every output of the calls, in order: what two engines compare without sending megabytes. */
export async function digestsOf(calls: readonly KernelCall[]): Promise<string[]> {
  const outputs = calls.flatMap((call) => call.outputs.filter((buffer) => buffer !== null));
  return Promise.all(outputs.map(async (buffer) => Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', bytesOf(buffer))), (byte) => byte.toString(16).padStart(2, '0')).join('')));
}
