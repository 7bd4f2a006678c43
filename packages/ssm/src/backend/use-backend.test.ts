import { spawnSync } from 'node:child_process';
import { backendMatrix } from '@mamba360/testing';
import { describe, expect, it } from 'vitest';
import { ConfigError, KernelError } from '../errors/index.ts';
import { createWasmTarget, hasRelaxedSimd } from '../kernels/index.ts';
import { selectiveScan } from '../ops/index.ts';
import { kernelTargetOf, tf, useBackend } from './index.ts';
import { requireKernelTarget } from './kernel-registry.ts';

const backends = await backendMatrix(useBackend);

describe('useBackend', () => {
  it.each(backends)('says on %s that the engine has no relaxed SIMD, or uses it', async (name) => {
    const start = useBackend({ name, kernels: 'wasm-relaxed' });
    if (hasRelaxedSimd()) expect((await start).kernels.target).toBe('wasm-relaxed');
    else await expect(start).rejects.toThrow(KernelError);
  });

  it.each(backends)('starts %s and says what and why', async (name) => {
    const report = await useBackend(name);
    expect(report).toMatchObject({ backend: name, precision: 'float32' });
    expect(tf.getBackend()).toBe(name);
    expect(report.reasons[0]).toBe(`${name}: asked for by name.`);
    expect(kernelTargetOf(name)!.name).toBe(report.kernels.target);
    expect(['addon', 'wasm-relaxed', 'wasm-simd']).toContain(report.kernels.target);
    expect(report.kernels.threads).toBeGreaterThanOrEqual(1);
  });

  it('picks the first of tensorflow, wasm, cpu that starts', async () => {
    const { backend, reasons } = await useBackend();
    expect(backend).toBe(['tensorflow', 'wasm', 'cpu'].find((name) => (backends as string[]).includes(name)));
    expect(reasons.join(' ')).toContain(`${backend}: the first of tensorflow, wasm, cpu that started.`);
  });

  it.each(backends)('deterministic forces the plain SIMD build on %s', async (name) => {
    const { kernels, reasons } = await useBackend({ name, deterministic: true });
    expect(kernels.target).toBe('wasm-simd');
    expect(reasons.join(' ')).toContain('same bits');
  });

  it('under wasm the wasm kernels live in the memory of tfjs, with one thread', async () => {
    const { kernels } = await useBackend({ name: 'wasm', kernels: 'wasm-simd', threads: 2 });
    expect(kernels).toMatchObject({ target: 'wasm-simd', threads: 1 });
    const heap = (tf.backend() as unknown as { wasm: { asm: { memory: WebAssembly.Memory } } }).wasm.asm.memory.buffer.byteLength;
    expect(kernelTargetOf('wasm')!.memory().heapBytes).toBe(heap);
  });

  it('takes a target made by hand', async () => {
    const target = await createWasmTarget({ variant: 'simd' });
    await useBackend({ name: 'cpu', kernels: target });
    expect(kernelTargetOf('cpu')).toBe(target);
    await useBackend('cpu');
    target.dispose();
  });

  it('keeps working when the heap of tfjs grows under the kernels', async () => {
    await useBackend({ name: 'wasm', kernels: 'wasm-simd' });
    const memory = (tf.backend() as unknown as { wasm: { asm: { memory: WebAssembly.Memory } } }).wasm.asm.memory;
    const before = memory.buffer.byteLength;
    tf.tidy(() => {
      const length = 4096;
      const u = tf.fill([1, length, 256], 0.5);
      const { output } = selectiveScan(u, tf.fill([1, length, 256], 0.1), tf.fill([256, 1], -1), tf.ones([256, 1]), tf.ones([256, 1]), { z: tf.zeros([1, length, 256]), deltaSoftplus: true });
      expect(output.shape).toEqual([1, length, 256]);
      expect(tf.max(tf.abs(output)).dataSync()[0]).toBe(0);
    });
    expect(memory.buffer.byteLength).toBeGreaterThan(before);
  });

  it('refuses what it does not know', async () => {
    await expect(useBackend('webgl' as never)).rejects.toThrowErrorMatchingInlineSnapshot(`[ConfigError: useBackend: backend is 'webgl', expected auto, tensorflow, wasm or cpu (the others have no kernels of this project). Leave it out for auto.]`);
    await expect(useBackend({ name: 'cpu', kernels: 'fast' as never })).rejects.toThrow(ConfigError);
    await expect(useBackend({ name: 'cpu', deterministic: true, kernels: 'addon' })).rejects.toThrow('deterministic was asked for together with kernels');
    expect(() => requireKernelTarget('webgl')).toThrowErrorMatchingInlineSnapshot(`[BackendError: The tfjs backend 'webgl' has no kernels, expected one of tensorflow, wasm, cpu. Call \`await useBackend('auto')\` (from @mamba360/ssm/backend).]`);
  });

  it('prints nothing and leaves no handler in the process', () => {
    const program = `
      const before = process.listenerCount('uncaughtException') + process.listenerCount('unhandledRejection');
      const { useBackend, tf } = await import('./src/backend/index.ts');
      for (const name of ${JSON.stringify(backends)}) { await useBackend(name); tf.tidy(() => tf.add(1, 2).dataSync()); }
      await useBackend();
      process.stdout.write(String(process.listenerCount('uncaughtException') + process.listenerCount('unhandledRejection') - before));`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--conditions=@mamba360/source', '--import', 'tsx', '--input-type=module', '-e', program], {
      cwd: new URL('../../', import.meta.url), encoding: 'utf8', env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: undefined },
    });
    expect(stderr).toBe('');
    expect(stdout).toBe('0');
  });

  it('an op without useBackend says what to call', () => {
    const program = `
      const { tf } = await import('./src/backend/index.ts');
      const { rmsNorm } = await import('./src/ops/index.ts');
      await tf.setBackend('cpu');
      tf.backend().firstUse = false;
      try { rmsNorm(tf.ones([2]), null); } catch (error) { process.stdout.write(error.name + ': ' + error.message); }`;
    const { stdout } = spawnSync(process.execPath, ['--conditions=@mamba360/source', '--import', 'tsx', '--input-type=module', '-e', program], {
      cwd: new URL('../../', import.meta.url), encoding: 'utf8',
    });
    expect(stdout).toMatchInlineSnapshot(`"BackendError: No kernels are loaded for the tfjs backend 'cpu'. Loading takes a moment and ops are synchronous, so call \`await useBackend('cpu')\` (from @mamba360/ssm/backend) first."`);
  });
});
