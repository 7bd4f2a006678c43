import { describe, expect, it } from 'vitest';
import {
  backendMatrix, boundFor, BOUNDS, expectGradient, expectNoLeaks, expectTensorClose, GoldenCase, parseDescription, poisonOutputs, readGoldenTensors,
  requiredBackends, SeededValues, tensorError,
} from './index.ts';

describe('tensorError', () => {
  it('is the largest difference over the largest expected value, or over the floor', () => {
    expect(tensorError([1, 2.5], [1, 2])).toEqual({ absolute: 0.5, relative: 0.25, index: 1 });
    expect(tensorError([2e-5], [1e-5]).relative).toBeCloseTo(1e-2, 12);
    expect(tensorError([], [])).toEqual({ absolute: 0, relative: 0, index: -1 });
  });

  it('takes equal infinities and NaN as equal and everything else not finite as wrong', () => {
    expect(tensorError([Infinity, Number.NaN, 0], [Infinity, Number.NaN, -0]).absolute).toBe(0);
    for (const [a, b] of [[Number.NaN, 1], [1, Number.NaN], [Infinity, -Infinity], [1, Infinity]]) expect(tensorError([a!], [b!]).relative).toBeNaN();
  });
});

describe('expectTensorClose', () => {
  it('holds the bound of the kind, or five gaps where that is more', () => {
    expect(BOUNDS).toEqual({ output: 1e-5, state: 1e-5, gradient: 1e-4, float64: 1e-10 });
    expect(boundFor('gradient', 1e-6)).toBe(1e-4);
    expect(boundFor('output', 1e-4)).toBeCloseTo(5e-4, 15);
    expectTensorClose([1.000009], [1], { kind: 'output' });
    expect(() => expectTensorClose([1.00002], [1], { kind: 'output', name: 'y' })).toThrow(/y: error 2\.00e-5 .* element 0: got 1\.00002, expected 1; bound 1\.0e-5/);
    expectTensorClose([1.00002], [1], { kind: 'gradient' });
  });

  it('refuses NaN, other lengths and other shapes', () => {
    expect(() => expectTensorClose([Number.NaN], [1], { kind: 'output' })).toThrow('error NaN');
    expect(() => expectTensorClose([1, 2], [1], { kind: 'output' })).toThrow('2 values, expected 1');
    const shaped = (shape: number[]) => ({ shape, dataSync: () => [1, 2] });
    expect(() => expectTensorClose(shaped([2]), shaped([1, 2]), { kind: 'output' })).toThrow('shape [2], expected [1, 2]');
  });
});

it('expectGradient compares with central differences', () => {
  const x = Float64Array.of(0.3, -2);
  const loss = (): number => Math.sin(x[0]!) * x[1]! ** 2;
  expectGradient('x', [Math.cos(0.3) * 4, Math.sin(0.3) * -4], loss, x);
  expect(() => expectGradient('x', [Math.cos(0.3) * 4, Math.sin(0.3) * -4.001], loss, x)).toThrow('gradient of x');
});

it('expectNoLeaks counts tensors and buffers', () => {
  let numTensors = 1;
  const memory = () => ({ numTensors, numDataBuffers: 3 });
  expectNoLeaks(memory, () => {});
  expect(() => expectNoLeaks(memory, () => { numTensors++; })).toThrow('1 tensors in 3 buffers before, 2 in 3 after');
});

describe('backendMatrix', () => {
  const start = async (name: string): Promise<void> => { if (name === 'wasm') throw new Error('no file'); };

  it('leaves out what does not start and says why', async () => {
    const lines: string[] = [];
    expect(await backendMatrix(start, { environment: {}, print: (line) => lines.push(line) })).toEqual(['cpu', 'tensorflow']);
    expect(lines).toEqual(['skipped backend wasm: no file']);
  });

  it('fails where a required one does not start', async () => {
    const environment = { MAMBA360_REQUIRE_BACKENDS: 'cpu, wasm' };
    expect(requiredBackends(environment)).toEqual(['cpu', 'wasm']);
    await expect(backendMatrix(start, { environment, print: () => {} })).rejects.toThrow('backend wasm is required');
  });
});

it('poisonOutputs fills outputs with NaN before the kernel runs', () => {
  let seen: number[] = [];
  const target = { name: 'x', run(call: { outputs: (Float32Array | null)[] }) { seen = [...call.outputs[0]!]; } };
  const poisoned = poisonOutputs(target);
  poisoned.run({ outputs: [Float32Array.of(1, 2), null] });
  expect(seen).toEqual([Number.NaN, Number.NaN]);
  expect(poisoned.name).toBe('x');
});

it('SeededValues repeats itself, in float32', () => {
  const [a, b] = [new SeededValues(3).normal(1000), new SeededValues(3).normal(1000)];
  expect(a).toEqual(b);
  expect(a.every((value) => Math.fround(value) === value)).toBe(true);
  expect(Math.abs(a.reduce((sum, value) => sum + value, 0) / 1000)).toBeLessThan(0.1);
  expect(a.reduce((sum, value) => sum + value * value, 0) / 1000).toBeCloseTo(1, 0);
});

describe('golden reader', () => {
  const file = (header: object, data: number[]): Uint8Array => {
    const text = new TextEncoder().encode(JSON.stringify(header));
    const bytes = new Uint8Array(8 + text.length + data.length * 4);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
    bytes.set(text, 8);
    bytes.set(new Uint8Array(Float32Array.from(data).buffer), 8 + text.length);
    return bytes;
  };
  const description = parseDescription(JSON.stringify({ family: 'f', case: 'c', inputs: { x: [2] }, outputs: { y: [1], z: [1] }, complex: ['y'], also_f64: ['x', 'z'], single_precision_reference_gap: { y: 0.5 } }));

  it('reads tensors, prefers the F64 copy, knows complex shapes and gaps', () => {
    const header = {
      x: { dtype: 'F32', shape: [2], data_offsets: [0, 8] }, 'x.f64': { dtype: 'F64', shape: [2], data_offsets: [8, 24] },
      y: { dtype: 'F32', shape: [1, 2], data_offsets: [0, 8] }, z: { dtype: 'F32', shape: [1], data_offsets: [0, 4] },
    };
    const bytes = file(header, [1, 2, 0, 0, 0, 0]);
    new DataView(bytes.buffer).setFloat64(bytes.length - 16, 0.1, true);
    const golden = new GoldenCase(description, readGoldenTensors(bytes));
    expect([...golden.value('x').values]).toEqual([0.1, 0]);
    expect(golden.value('y')).toMatchObject({ shape: [1], complex: true });
    expect([...golden.value('z').values]).toEqual([1]);
    expect([golden.gap('y'), golden.gap('x'), golden.has('q')]).toEqual([0.5, 0, false]);
    expect(() => golden.value('q')).toThrow('the case has no tensor q');
  });

  it('reads a Buffer that shares its memory', () => {
    const bytes = file({ x: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }, [1, 2]);
    const shared = Buffer.concat([Buffer.from([9, 9, 9]), bytes]).subarray(3);
    expect(readGoldenTensors(shared).get('x')!.values).toEqual(Float32Array.of(1, 2));
  });

  it.each([
    [{ x: { dtype: 'F16', shape: [2], data_offsets: [0, 4] } }, 'dtype F16'], [{ x: { dtype: 'F32', shape: [3], data_offsets: [0, 8] } }, 'needs 12 bytes'],
    [{ x: { dtype: 'F32', shape: [2], data_offsets: [4, 12] } }, 'its offsets are'], [{ x: { dtype: 'F32', shape: [-1], data_offsets: [0, 8] } }, 'no valid shape'],
  ])('refuses %j', (header, message) => {
    expect(() => readGoldenTensors(file(header, [1, 2]))).toThrow(message);
  });
});
