import { setFlagsFromString } from 'node:v8';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildAddon } from './build-addon.ts';
import { loadKernelTarget } from './load-kernel-target.ts';
import type { KernelBuffer, KernelTarget } from './target.ts';
import { hasRelaxedSimd } from './wasm-module.ts';
import { createWasmTarget } from './wasm-target.ts';

setFlagsFromString('--experimental-wasm-relaxed-simd');

const targets: { name: string; target: KernelTarget }[] = [];

beforeAll(async () => {
  await buildAddon();
  for (const instructionSet of ['avx512', 'avx2', 'sse4.2', 'neon']) {
    try {
      targets.push({ name: instructionSet, target: (await loadKernelTarget({ target: 'addon', threads: 1, instructionSet })).target });
    } catch { /* this processor has not got it */ }
  }
  for (const variant of ['simd', 'relaxed'] as const) targets.push({ name: `wasm ${variant}`, target: await createWasmTarget({ variant }) });
  expect(targets.length).toBeGreaterThanOrEqual(3);
  expect(hasRelaxedSimd()).toBe(true);
}, 300_000);

/** Distance of two floats in units of the last place of the larger. */
function ulps(actual: number, exact: number): number {
  const exponent = Math.max(-126, Math.floor(Math.log2(Math.abs(exact))));
  return Math.abs(actual - exact) / 2 ** (exponent - 23);
}

/** Values of one step of a scan with one channel each: y = exp(A) h0 + dt u, dt = delta or softplus(delta), times silu(z) where given. */
function oneStep(target: KernelTarget, values: { u: Float32Array; delta: Float32Array; A: Float32Array; z?: Float32Array; h?: Float32Array }, softplus: boolean): Float32Array {
  const E = values.u.length, ones = new Float32Array(E).fill(1), y = new Float32Array(E).fill(NaN), state = new Float32Array(E);
  target.run({
    kernel: 'selectiveScanForward',
    inputs: [values.u, values.delta, values.A, ones, ones, null, values.z ?? null, null, values.h ?? null, null],
    outputs: [y, state, null],
    integers: [1, 1, E, 1, 0, 0, softplus ? 1 : 0, 0],
  });
  return y;
}

const spread = (count: number, from: number, to: number): Float32Array => Float32Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1));
const filled = (count: number, value: number): Float32Array => new Float32Array(count).fill(value);

describe('elementary functions', () => {
  it('the ceiling\'s exponential is within 2 ulp over [-87, 0]', () => {
    const count = 2 ** 18, values = spread(count, -87, 0);
    for (let i = 0; i < 4096; i++) values[i] = -(2 ** (-20 + i / 256)); // small arguments too
    for (const { name, target } of targets) {
      const results = new Float32Array(count);
      target.run({ kernel: 'ceilingExponential', inputs: [values], outputs: [new Float32Array(16), results], integers: [count, 0] });
      let worst = 0;
      for (let i = 0; i < count; i++) worst = Math.max(worst, ulps(results[i] as number, Math.exp(values[i] as number)));
      expect(worst, name).toBeLessThanOrEqual(2);
    }
  });

  it('the mixed stream adds up what it reads, and the product of the ceilings is the product', () => {
    const n = 16 * 16 * 3;
    for (const { name, target } of targets) {
      for (const reads of [1, 2, 3, 4]) for (const writes of [1, 2]) {
        const inputs = Array.from({ length: reads }, (_, r) => spread(n, r, r + 1)), outputs = Array.from({ length: writes }, () => filled(n, NaN));
        target.run({ kernel: 'ceilingMixedStream', inputs, outputs, integers: [n, reads, writes] });
        const sums = Float32Array.from({ length: n }, (_, i) => inputs.reduce((sum, values) => Math.fround(sum + values[i]!), 0));
        for (const output of outputs) expect(output, name).toEqual(sums);
      }
      const [rows, columns, inner] = [37, 48, 19], a = spread(rows * inner, -1, 1), b = spread(inner * columns, 2, -1), c = filled(rows * columns, NaN);
      target.run({ kernel: 'ceilingMatmul', inputs: [a, b], outputs: [c], integers: [rows, columns, inner] });
      for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) {
        let sum = 0;
        for (let i = 0; i < inner; i++) sum += a[row * inner + i]! * b[i * columns + column]!;
        expect(Math.abs(c[row * columns + column]! - sum), name).toBeLessThan(1e-4);
      }
    }
  });

  it('the scan\'s decay is exp(dt A) to 2 ulp beside the rounding of its argument, 0 far below and infinite far above', () => {
    const count = 2 ** 14, A = spread(count, -86, 80);
    for (const { name, target } of targets) {
      const y = oneStep(target, { u: filled(count, 0), delta: filled(count, 1), A, h: filled(count, 1) }, false);
      // A * log2(e) is rounded to a float before the power is taken: |A| times half an ulp of relative error, twice.
      for (let i = 0; i < count; i++) {
        const exact = Math.exp(A[i] as number), bound = (2 + 1.1 * Math.abs(A[i] as number)) * 2 ** -23;
        expect(Math.abs((y[i] as number) - exact) <= bound * exact, `${name} A = ${A[i]}`).toBe(true);
      }
      const ends = oneStep(target, { u: filled(4, 0), delta: filled(4, 1), A: Float32Array.of(-1e4, -Infinity, 1e4, NaN), h: filled(4, 1) }, false);
      expect([...ends], name).toEqual([0, 0, Infinity, NaN]);
    }
  });

  it('softplus keeps its relative accuracy down to e^-80, and silu its absolute one', () => {
    const count = 2 ** 14, delta = spread(count, -80, 60), z = spread(count, -100, 100);
    for (const { name, target } of targets) {
      const soft = oneStep(target, { u: filled(count, 1), delta, A: filled(count, -1) }, true);
      const gated = oneStep(target, { u: filled(count, 1), delta: filled(count, 1), A: filled(count, -1), z }, false);
      for (let i = 0; i < count; i++) {
        const x = delta[i] as number, exact = Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), gate = (z[i] as number) / (1 + Math.exp(-(z[i] as number)));
        expect(ulps(soft[i] as number, exact) <= 4, `${name} softplus(${x}) = ${soft[i]}`).toBe(true);
        expect(Math.abs((gated[i] as number) - gate) <= 5e-7 * Math.max(Math.abs(gate), 1e-6), `${name} silu(${z[i]}) = ${gated[i]}`).toBe(true);
      }
      expect([...oneStep(target, { u: filled(3, 1), delta: Float32Array.of(-Infinity, Infinity, NaN), A: filled(3, -1) }, true)], name).toEqual([0, Infinity, NaN]);
    }
  });
});

describe('values that are no numbers', () => {
  const B = 1, L = 70, E = 20, N = 8;
  const make = (): { inputs: (KernelBuffer | null)[]; run: (target: KernelTarget) => Float32Array } => {
    const wave = (length: number, phase: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(i * 1.7 + phase));
    const inputs = [wave(L * E, 0), wave(L * E, 1), wave(E * N, 2).map((x) => -1 - Math.abs(x)), wave(L * N, 3), wave(L * N, 4), wave(E, 5), wave(L * E, 6), wave(E, 7), null, null] as (KernelBuffer | null)[];
    return { inputs, run: (target) => {
      const y = filled(L * E, NaN);
      target.run({ kernel: 'selectiveScanForward', inputs, outputs: [y, new Float32Array(E * N), null], integers: [B, L, E, N, 1, 1, 1, 0] });
      return y;
    } };
  };

  it('NaN and -Infinity reach every later step of their channel, and no other channel', () => {
    for (const { name, target } of targets) {
      const clean = make().run(target);
      for (const bad of [NaN, -Infinity]) for (const place of [0, 1]) {
        const call = make(), channel = 13, step = 41;
        (call.inputs[place] as Float32Array)[step * E + channel] = bad;
        const y = call.run(target);
        for (let t = 0; t < L; t++) for (let e = 0; e < E; e++) {
          const value = y[t * E + e] as number, text = `${name} input ${place} = ${bad}, step ${t}, channel ${e}: ${value}`;
          if (e !== channel || t < step) expect(Object.is(value, clean[t * E + e]), text).toBe(true);
          // softplus(-Infinity) is a step size of 0: the state stays, nothing becomes infinite.
          else if (bad === -Infinity && place === 1) expect(Number.isFinite(value), text).toBe(true);
          else if (Number.isNaN(bad) || t === step) expect(Number.isFinite(value), text).toBe(false);
        }
      }
    }
  });

  it('a masked step may hold NaN in every input, and changes nothing', () => {
    for (const { name, target } of targets) {
      const control = new Uint8Array(L), call = make(), poisoned = make();
      for (const t of [0, 5, 6, 39, 40, 63, 64, 69]) {
        control[t] = 1;
        for (const place of [0, 1, 6]) (poisoned.inputs[place] as Float32Array).fill(NaN, t * E, (t + 1) * E);
        for (const place of [3, 4]) (poisoned.inputs[place] as Float32Array).fill(NaN, t * N, (t + 1) * N);
      }
      call.inputs[9] = control;
      poisoned.inputs[9] = control;
      expect(poisoned.run(target), name).toEqual(call.run(target));
    }
  });
});
