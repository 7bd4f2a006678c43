import { bufferLengths } from '../buffer-lengths.ts';
import { SIGNATURES } from '../signatures.ts';
import type { KernelName } from '../signatures.ts';
import type { KernelBuffer, KernelCall } from '../target.ts';

/** Small seeded generator (mulberry32): uniform in [0, 1). */
function generator(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A kernel with its integers; buffers are filled with seeded values. */
export interface Case {
  readonly kernel: KernelName;
  readonly integers: readonly number[];
  readonly scalars?: readonly number[];
  /** Names (as in SIGNATURES, without shape) of optional buffers that are null. */
  readonly absent?: readonly string[];
  /** Probability that a step is masked, and that it is a reset. Absent: no control bytes. */
  readonly control?: readonly [number, number];
  /** Values of single inputs by name, from a number in [0, 1) and the element's place; others are uniform in [-1, 1). Arithmetic only: `Math.exp` and the like differ between engines. */
  readonly values?: Readonly<Record<string, (random: number, index: number) => number>>;
}

const nameOf = (word: string): string => (word.split(' ')[0] as string).replace('?', '');

/** Values in the range each input has in practice: A negative, delta before softplus around -2. */
function fill(name: string, buffer: Float32Array | Float64Array | Int32Array, softplus: boolean, random: () => number): void {
  for (let i = 0; i < buffer.length; i++) {
    const x = random() * 2 - 1;
    buffer[i] = name === 'A' || name === 'ARe' ? -0.5 - 4 * random() : name === 'AIm' ? 3 * x
      : name === 'delta' || name === 'dt' ? (softplus ? 2 * x - 2 : 0.02 + 0.4 * random()) : name === 'v' ? random() : name === 'R' ? 0.4 * x : x;
  }
}

/** The call of a case: inputs from a seeded generator, outputs full of NaN. */
export function makeCall(test: Case, seed = 1): KernelCall {
  const random = generator(seed), signature = SIGNATURES[test.kernel], lengths = bufferLengths(test.kernel, test.integers);
  const isScan = /^(selective|ssd)Scan/.test(test.kernel), softplus = isScan && test.integers[6] === 1, stateEvery = isScan ? test.integers[7] : 1;
  const gone = (name: string): boolean => (test.absent ?? []).includes(name) || (/tates/.test(name) && /^(d?[sS]tates)/.test(name) && stateEvery === 0);
  const inputs = signature.inputs.map((word, i): KernelBuffer | null => {
    const name = nameOf(word), length = lengths.inputs[i] as number;
    if (name === 'control') {
      if (!test.control) return null;
      const [masked, reset] = test.control;
      return Uint8Array.from({ length }, () => (random() < masked ? 1 : 0) | (random() < reset ? 2 : 0));
    }
    if (gone(name)) return null;
    const values = test.values?.[name], buffer = word.includes('int32') ? new Int32Array(length) : word.includes('float64') ? new Float64Array(length) : new Float32Array(length);
    if (values) for (let at = 0; at < length; at++) buffer[at] = values(random(), at);
    else fill(name, buffer, softplus, random);
    return buffer;
  });
  const outputs = signature.outputs.map((word, i): KernelBuffer | null => {
    const name = nameOf(word), source = name.slice(1), length = lengths.outputs[i] as number;
    if (gone(name) || (name.startsWith('d') && (gone(source) || gone(`${source[0]!.toLowerCase()}${source.slice(1)}`)))) return null;
    return word.includes('float64') ? new Float64Array(length).fill(NaN) : word.includes('int32') ? new Int32Array(length) : new Float32Array(length).fill(NaN);
  });
  return { kernel: test.kernel, inputs, outputs, integers: test.integers, ...(test.scalars ? { scalars: test.scalars } : {}) };
}

/** The call again with fresh outputs full of NaN (float64 for the reference). */
export const withOutputs = (call: KernelCall, wide: boolean): KernelCall => ({
  ...call, outputs: call.outputs.map((buffer) => (buffer === null ? null : wide ? new Float64Array(buffer.length).fill(NaN) : buffer.slice().fill(NaN))),
});
