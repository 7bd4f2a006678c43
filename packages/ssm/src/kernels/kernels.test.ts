import { setFlagsFromString } from 'node:v8';
import { beforeAll, describe, expect, it } from 'vitest';
import { createReferenceTarget } from '../ops/common/reference-target.ts';
import { bufferLengths } from './buffer-lengths.ts';
import { buildAddon } from './build-addon.ts';
import { SIGNATURES } from './signatures.ts';
import type { KernelName } from './signatures.ts';
import type { KernelBuffer, KernelCall, KernelTarget } from './target.ts';
import { loadKernelTarget } from './load-kernel-target.ts';
import { createWasmTarget } from './wasm-target.ts';

// Node 20 hides relaxed SIMD behind this flag; later versions know it without.
setFlagsFromString('--experimental-wasm-relaxed-simd');

const BOUND_OUTPUT = 1e-5, BOUND_GRADIENT = 1e-4;

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

interface Case {
  readonly kernel: KernelName;
  readonly integers: readonly number[];
  readonly scalars?: readonly number[];
  /** Names (as in SIGNATURES, without shape) of optional buffers that are null. */
  readonly absent?: readonly string[];
  /** Probability that a step is masked, and that it is a reset. Absent: no control bytes. */
  readonly control?: readonly [number, number];
}

const nameOf = (word: string): string => (word.split(' ')[0] as string).replace('?', '');

/** Values in the range each input has in practice: A negative, delta before softplus around -2. */
function fill(name: string, buffer: Float32Array, softplus: boolean, random: () => number): void {
  for (let i = 0; i < buffer.length; i++) {
    const x = random() * 2 - 1;
    buffer[i] = name === 'A' || name === 'ARe' ? -0.5 - 4 * random() : name === 'AIm' ? 3 * x
      : name === 'delta' ? (softplus ? 2 * x - 2 : 0.02 + 0.4 * random()) : name === 'v' ? random() : name === 'R' ? 0.4 * x : x;
  }
}

function makeCall(test: Case, seed = 1): KernelCall {
  const random = generator(seed), signature = SIGNATURES[test.kernel], lengths = bufferLengths(test.kernel, test.integers);
  const isScan = test.kernel.startsWith('selectiveScan'), softplus = isScan && test.integers[6] === 1, stateEvery = isScan ? test.integers[7] : 1;
  const gone = (name: string): boolean => (test.absent ?? []).includes(name) || (/tates/.test(name) && /^(d?[sS]tates)/.test(name) && stateEvery === 0);
  const inputs = signature.inputs.map((word, i): KernelBuffer | null => {
    const name = nameOf(word), length = lengths.inputs[i] as number;
    if (name === 'control') {
      if (!test.control) return null;
      const [masked, reset] = test.control;
      return Uint8Array.from({ length }, () => (random() < masked ? 1 : 0) | (random() < reset ? 2 : 0));
    }
    if (gone(name)) return null;
    const buffer = new Float32Array(length);
    fill(name, buffer, softplus, random);
    return buffer;
  });
  const outputs = signature.outputs.map((word, i): KernelBuffer | null => {
    const name = nameOf(word), source = name.slice(1), length = lengths.outputs[i] as number;
    if (gone(name) || (name.startsWith('d') && gone(source[0] === 'I' ? source.replace('Initial', 'initial') : source))) return null;
    return word.includes('float64') ? new Float64Array(length).fill(NaN) : new Float32Array(length).fill(NaN);
  });
  return { kernel: test.kernel, inputs, outputs, integers: test.integers, ...(test.scalars ? { scalars: test.scalars } : {}) };
}

/** The call again with fresh outputs full of NaN (float64 for the reference). */
const withOutputs = (call: KernelCall, wide: boolean): KernelCall => ({
  ...call, outputs: call.outputs.map((buffer) => (buffer === null ? null : wide ? new Float64Array(buffer.length).fill(NaN) : buffer.slice().fill(NaN))),
});

/** max|a - b| / max(max|b|, 1e-3); NaN where a value is missing. */
function errorOf(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let worst = 0, largest = 1e-3;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs((actual[i] as number) - (expected[i] as number));
    if (!(difference <= worst)) worst = difference;
    if (Number.isNaN(worst)) return NaN;
    largest = Math.max(largest, Math.abs(expected[i] as number));
  }
  return worst / largest;
}

/** Equal bit for bit, NaN payloads and signs of zero included. */
function sameBits(a: readonly (KernelBuffer | null)[], b: readonly (KernelBuffer | null)[]): boolean {
  const bytes = (buffer: KernelBuffer): Buffer => Buffer.from(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.byteLength);
  return a.length === b.length && a.every((buffer, i) => {
    const other = b[i] ?? null;
    return buffer === null || other === null ? buffer === other : bytes(buffer).equals(bytes(other));
  });
}

function scanCases(kernel: KernelName): Case[] {
  const cases: Case[] = [];
  const add = (B: number, L: number, E: number, N: number, gB: number, gC: number, softplus: number, every: number, more: Partial<Case> = {}): void => {
    cases.push({ kernel, integers: [B, L, E, N, gB, gC, softplus, every], ...more });
  };
  for (const L of [1, 2, 3, 63, 64, 65, 257]) add(1, L, 16, 16, 1, 1, 1, 0);
  for (const E of [1, 3, 33, 64, 100]) add(2, 65, E, 16, 1, 1, 1, 7);
  for (const N of [1, 3, 20]) add(2, 66, 33, N, 1, 1, 1, 0, { control: [0.3, 0.05] });
  add(2, 70, 12, 5, 0, 1, 0, 3, { control: [0.4, 0.1] });
  add(2, 70, 12, 5, 1, 0, 1, 64, { control: [0.4, 0.1] });
  add(2, 67, 12, 4, 0, 0, 0, 1, { control: [0.9, 0.2] });
  add(2, 67, 24, 16, 2, 3, 1, 5);
  add(1, 130, 200, 16, 4, 1, 1, 64, { control: [0.2, 0.02] });
  add(3, 65, 33, 9, 1, 1, 1, 0, { absent: ['D', 'z', 'deltaBias', 'initialState', 'initialRe', 'initialIm', 'dFinalState', 'dFinalRe', 'dFinalIm'] });
  add(1, 65, 17, 8, 1, 1, 0, 0, { absent: ['z'], control: [1, 0.1] });
  if (kernel.includes('Complex')) add(2, 65, 6, 4, 1, 0, 1, 4, { absent: ['BIm', 'CIm'] });
  return cases;
}

function recurrentCases(kernel: KernelName): Case[] {
  return [0, 1].flatMap((kind) => {
    const absent = kind === 1 ? ['initialC', 'finalC', 'dFinalC', 'dInitialC'] : [];
    return ([
      [1, 1, 1, 1], [2, 17, 1, 3], [3, 33, 2, 16], [9, 16, 1, 20], [7, 15, 3, 5], [17, 40, 1, 33],
    ] as const).flatMap(([B, L, H, P]): Case[] => [
      { kernel, integers: [B, L, H, P, kind], absent },
      { kernel, integers: [B, L, H, P, kind], absent: [...absent, 'recurrentBias', 'initialH', 'initialC', 'dFinalH'], control: [0.3, 0.1] },
    ]);
  });
}

const convolutionCases = (kernel: KernelName): Case[] => ([[1, 1, 1, 4], [2, 3, 3, 4], [2, 65, 64, 4], [3, 130, 100, 3], [1, 9, 33, 1], [2, 12, 16, 9]] as const)
  .flatMap(([B, L, E, W]): Case[] => [
    { kernel, integers: [B, L, E, W, 1] },
    { kernel, integers: [B, L, E, W, 0], absent: ['bias', 'tail', 'dFinalTail'], control: [0.4, 0.1] },
    { kernel, integers: [B, L, E, W, 1], control: [0.3, 0.2] },
  ]);

const normCases = (kernel: KernelName): Case[] => ([[1, 1, 1], [3, 16, 1], [33, 100, 1], [40, 96, 4], [5, 33, 3], [200, 12, 2]] as const)
  .flatMap(([R, D, groups]): Case[] => [
    { kernel, integers: [R, D, groups, 0], scalars: [1e-5] },
    { kernel, integers: [R, D, groups, 1], scalars: [1e-5] },
    { kernel, integers: [R, D, groups, 0], scalars: [1e-6], absent: ['z', 'bias', 'weight'] },
  ]);

const CASES: Case[] = [
  ...(['selectiveScanForward', 'selectiveScanBackward', 'selectiveScanComplexForward', 'selectiveScanComplexBackward'] as const).flatMap(scanCases),
  ...(['causalConv1dForward', 'causalConv1dBackward'] as const).flatMap(convolutionCases),
  ...(['rmsNormForward', 'rmsNormBackward'] as const).flatMap(normCases),
  ...(['nonlinearScanForward', 'nonlinearScanBackward'] as const).flatMap(recurrentCases),
  ...[1, 7, 16384, 70001].flatMap((n): Case[] => [
    { kernel: 'sumOfSquares', integers: [n] },
    { kernel: 'adamW', integers: [n], scalars: [1e-3, 0.9, 0.999, 1e-8, 0.01, 0.271, 0.003, 0.7] },
  ]),
];

const targets: { name: string; target: KernelTarget }[] = [];
const references = new Map<Case, KernelCall>();

beforeAll(async () => {
  await buildAddon();
  const { target } = await loadKernelTarget({ target: 'addon', threads: 1 });
  targets.push({ name: `addon ${target.instructionSet}`, target });
  for (const instructionSet of ['avx512', 'avx2', 'sse4.2']) {
    if (instructionSet === target.instructionSet) continue;
    try {
      targets.push({ name: `addon ${instructionSet}`, target: (await loadKernelTarget({ target: 'addon', threads: 1, instructionSet })).target });
    } catch { /* this processor has not got it */ }
  }
  for (const variant of ['simd', 'relaxed'] as const) targets.push({ name: `wasm ${variant}`, target: await createWasmTarget({ variant }) });
  const reference = createReferenceTarget();
  for (const test of CASES) {
    const call = withOutputs(makeCall(test), true);
    reference.run(call);
    references.set(test, call);
  }
}, 300_000);

describe.each([...new Set(CASES.map((test) => test.kernel))])('%s', (kernel) => {
  const cases = CASES.filter((test) => test.kernel === kernel);
  const bound = kernel.endsWith('Backward') ? BOUND_GRADIENT : BOUND_OUTPUT;

  it('agrees with the float64 reference on every target, fills every output, leaves inputs alone', () => {
    for (const { name, target } of targets) for (const test of cases) {
      const expected = references.get(test) as KernelCall, call = makeCall(test);
      const before = call.inputs.map((buffer) => buffer?.slice() ?? null);
      target.run(call);
      if (!sameBits(call.inputs, before)) expect.unreachable(`${name} ${JSON.stringify(test)}: an input was changed`);
      call.outputs.forEach((output, i) => {
        if (!output) return;
        const error = errorOf(output, expected.outputs[i] as KernelBuffer);
        if (!(error <= bound)) expect.unreachable(`${name} ${JSON.stringify(test)} ${SIGNATURES[kernel].outputs[i]}: error ${error}, bound ${bound}`);
      });
    }
  });

  it('gives the same bits on 1, 2 and 4 threads', async () => {
    for (const make of [
      (threads: number) => loadKernelTarget({ target: 'addon', threads }).then(({ target }) => target),
      (threads: number) => createWasmTarget({ variant: 'simd', threads }),
    ]) {
      const results: KernelCall[][] = [];
      for (const threads of [1, 2, 4]) {
        const target = await make(threads);
        expect(target.threads).toBe(threads);
        results.push(cases.map((test) => { const call = makeCall(test); target.run(call); return call; }));
        target.dispose();
      }
      for (const other of results.slice(1)) other.forEach((call, i) => {
        if (!sameBits(call.outputs, results[0]?.[i]?.outputs ?? [])) expect.unreachable(`${call.kernel} ${JSON.stringify(cases[i])}: threads change the result`);
      });
    }
  });
});
