import { setFlagsFromString } from 'node:v8';
import { beforeAll, describe, expect, it } from 'vitest';
import { createReferenceTarget } from '../ops/common/reference-target.ts';
import { buildAddon } from './build-addon.ts';
import { CASES } from './kernels-test/cases.ts';
import { makeCall, withOutputs } from './kernels-test/make-call.ts';
import type { Case } from './kernels-test/make-call.ts';
import { SIGNATURES } from './signatures.ts';
import type { KernelBuffer, KernelCall, KernelTarget } from './target.ts';
import { loadKernelTarget } from './load-kernel-target.ts';
import { createWasmTarget } from './wasm-target.ts';

// Node 20 hides relaxed SIMD behind this flag; later versions know it without.
setFlagsFromString('--experimental-wasm-relaxed-simd');

const BOUND_OUTPUT = 1e-5, BOUND_GRADIENT = 1e-4;

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
