import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ConfigError, KernelError, MemoryError } from '../errors/index.ts';
import { CALL } from './call-layout.ts';
import { CEILINGS, kernelNumber } from './kernel-numbers.ts';
import { loadKernelTarget } from './load-kernel-target.ts';
import { SIGNATURES } from './signatures.ts';
import type { KernelCall } from './target.ts';
import { hasRelaxedSimd, hasSimd, kernelBytes } from './wasm-module.ts';
import { createWasmTarget } from './wasm-target.ts';

const KERNELS = fileURLToPath(new URL('../../kernels/', import.meta.url));

const squares = (n: number): KernelCall => ({ kernel: 'sumOfSquares', inputs: [Float32Array.from({ length: n }, (_, i) => i % 7)], outputs: [new Float64Array(1)], integers: [n] });
const expected = (n: number): number => Array.from({ length: n }, (_, i) => (i % 7) ** 2).reduce((a, b) => a + b, 0);

describe('contract with C', () => {
  it('kernel numbers and sizes equal those of abi.h', () => {
    const header = readFileSync(`${KERNELS}abi.h`, 'utf8');
    const inC = [...header.matchAll(/KERNEL_(\w+) = (\d+)/g)].map(([, name, number]) => [name, Number(number)]);
    expect(inC).toEqual([...Object.keys(SIGNATURES), ...CEILINGS].map((name) => [name, kernelNumber(name)]));
    const most = (name: string): number => Number(header.match(new RegExp(`${name} = (\\d+)`))?.[1]);
    expect(most('MAX_INPUTS') * 4).toBe(CALL.outputs);
    expect((CALL.integers - CALL.outputs) / 4).toBe(most('MAX_OUTPUTS'));
    expect((CALL.scalars - CALL.integers) / 4).toBe(most('MAX_INTEGERS'));
    expect((CALL.size - CALL.scalars) / 8).toBe(most('MAX_SCALARS'));
  });

  it('the embedded builds are those of the sources', () => {
    const script = fileURLToPath(new URL('../../../../tooling/kernels/build-wasm.mjs', import.meta.url));
    expect(() => execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' })).not.toThrow();
  });

  it('wrong buffers are refused before C sees them', async () => {
    const target = await createWasmTarget({ variant: 'simd' }), call = squares(10);
    expect(() => target.run({ ...call, integers: [11] })).toThrow(/x \[n\] has 10 elements, expected 11/);
    expect(() => target.run({ ...call, inputs: [null] })).toThrow(/x \[n\] is missing/);
    expect(() => target.run({ ...call, kernel: 'nothing' })).toThrow(KernelError);
    target.dispose();
    expect(() => target.run(call)).toThrow(/was disposed/);
  });
});

describe('WebAssembly target', () => {
  it('uses views of a foreign memory in place, and gives back what it allocated', async () => {
    const memory = new WebAssembly.Memory({ initial: 64 }), live = new Map<number, number>();
    let next = 4096;
    const allocate = (bytes: number): number => {
      const offset = next + 8; // an allocator that aligns to 8 only
      next += Math.ceil((bytes + 16) / 8) * 8;
      if (next > memory.buffer.byteLength) memory.grow(Math.ceil((next - memory.buffer.byteLength) / 65536));
      live.set(offset, bytes);
      return offset;
    };
    const target = await createWasmTarget({ variant: 'simd', memory, allocate, free: (offset) => void live.delete(offset) });
    const held = live.size, n = 200_000, at = allocate(4 * n), out = allocate(8);
    new Float32Array(memory.buffer, at, n).set(squares(n).inputs[0] as Float32Array);
    target.run({ kernel: 'sumOfSquares', inputs: [new Float32Array(memory.buffer, at, n)], outputs: [new Float64Array(memory.buffer, out, 1)], integers: [n] });
    expect(new Float64Array(memory.buffer, out, 1)[0]).toBe(expected(n));
    const outside = squares(n);
    target.run(outside);
    expect(outside.outputs[0]?.[0]).toBe(expected(n));
    expect(live.size).toBe(held + 2);
    target.dispose();
    expect(live.size).toBe(2);
  });

  it('refuses before allocating what does not fit in 4 GiB, and works afterwards', async () => {
    const target = await createWasmTarget({ variant: 'simd' }), before = target.memory().heapBytes;
    const shape = [1, 1, 30_000, 30_000, 1, 1, 0, 0]; // needs N * E floats of scratch and copies
    // Buffers that only claim their size: the refusal comes before anything is read.
    const buffer = (length: number): Float32Array => Object.defineProperties(new Float32Array(1), { length: { value: length }, byteLength: { value: 4 * length } });
    const call: KernelCall = {
      kernel: 'selectiveScanForward',
      inputs: [buffer(30_000), buffer(30_000), buffer(9e8), buffer(30_000), buffer(30_000), null, null, null, null, null],
      outputs: [buffer(30_000), buffer(9e8), null], integers: shape,
    };
    expect(() => target.run(call)).toThrow(MemoryError);
    expect(() => target.run(call)).toThrow(/needs [\d.]+ MiB .* available are [\d.]+ MiB .* kernels build/);
    expect(target.memory().heapBytes).toBe(before);
    const small = squares(100);
    target.run(small);
    expect(small.outputs[0]?.[0]).toBe(expected(100));
    target.dispose();
  });

  it('grows its memory during a call and counts what it used', async () => {
    const target = await createWasmTarget({ variant: 'simd', threads: 2 }), before = target.memory().heapBytes, n = 3_000_000, call = squares(n);
    target.run(call);
    expect(call.outputs[0]?.[0]).toBe(expected(n));
    const memory = target.memory();
    expect(memory.heapBytes).toBeGreaterThan(before);
    expect(memory.lastCallBytes).toBeGreaterThan(0);
    target.dispose();
  });

  it('options that cannot be are named', async () => {
    await expect(createWasmTarget({ variant: 'simd', threads: 0 })).rejects.toThrow(ConfigError);
    await expect(createWasmTarget({ variant: 'simd', memory: new WebAssembly.Memory({ initial: 1 }) })).rejects.toThrow(/without `allocate`/);
  });

  it('threads let the process end by themselves', () => {
    const source = `import { createWasmTarget } from ${JSON.stringify(new URL('./wasm-target.ts', import.meta.url).href)}; await createWasmTarget({ variant: 'simd', threads: 3 }); console.log('loaded');`;
    const output = execFileSync(process.execPath, ['--conditions=@mamba360/source', '--import', 'tsx', '--input-type=module', '-e', source], { timeout: 20_000, encoding: 'utf8' });
    expect(output).toContain('loaded');
  });
});

describe('a trap on a thread', () => {
  it('closes the pool with a KernelError, and later calls say so', async () => {
    const target = await createWasmTarget({ variant: 'simd', threads: 2 }), n = 200_000;
    // A view of a shared memory is used in place: this one lies about where it is, so the kernel reads past the end of the memory.
    const call = squares(n), x = call.inputs[0] as Float32Array, memoryBuffer = capturedBuffer(target);
    Object.defineProperties(x, { buffer: { value: memoryBuffer }, byteOffset: { value: 2 ** 31 } });
    expect(() => target.run(call)).toThrow(/trapped on a thread/);
    expect(() => target.run(squares(n))).toThrow(/unusable/);
    target.dispose();
  });
});

/** The buffer of a target's own memory, taken from what it hands to `Int32Array`. */
function capturedBuffer(target: { run(call: KernelCall): void }): ArrayBufferLike {
  const Original = globalThis.Int32Array;
  let seen: ArrayBufferLike | undefined;
  globalThis.Int32Array = class extends Original {
    constructor(buffer: ArrayBuffer, offset: number, length: number) {
      super(buffer, offset, length);
      seen = buffer;
    }
  } as unknown as typeof Int32Array;
  try { target.run(squares(4)); } finally { globalThis.Int32Array = Original; }
  return seen as ArrayBufferLike;
}

describe('lookup', () => {
  it('`deterministic` takes the plain build and says so', async () => {
    const { target, report } = await loadKernelTarget({ deterministic: true, threads: 1 });
    expect(report).toMatchObject({ target: 'wasm-simd', instructionSet: 'wasm simd128', threads: 1 });
    expect(report.reasons.join(' ')).toContain('deterministic');
    target.dispose();
  });

  it('says why there is no addon and how to get one', async () => {
    const cache = process.env.XDG_CACHE_HOME;
    process.env.XDG_CACHE_HOME = '/nonexistent';
    try {
      const { target, report } = await loadKernelTarget({ threads: 1 });
      expect(target.name).not.toBe('addon');
      expect(report.reasons[0]).toMatch(/^addon: .*`mamba360 kernels build`/);
      await expect(loadKernelTarget({ target: 'addon' })).rejects.toThrow(/'addon' was asked for and is not there/);
      target.dispose();
    } finally {
      if (cache === undefined) delete process.env.XDG_CACHE_HOME;
      else process.env.XDG_CACHE_HOME = cache;
    }
  });

  it('probes the engine by validating modules', async () => {
    expect(hasSimd()).toBe(true);
    expect(hasRelaxedSimd()).toBe(WebAssembly.validate(await kernelBytes('relaxed')));
    expect(WebAssembly.validate(await kernelBytes('simd', true))).toBe(true);
  });
});
