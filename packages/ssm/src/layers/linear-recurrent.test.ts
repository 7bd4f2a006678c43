import type { Tensor, Variable } from '@tensorflow/tfjs';
import { backendMatrix, BOUNDS, tensorError } from '@mamba360/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../backend/index.ts';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError, ShapeError, StateError } from '../errors/index.ts';
import { Random } from '../random/index.ts';
import { griffinConfig, griffinParameters } from './griffin.ts';
import { Griffin, Hgrn, LdStack, LiquidS4, Lru, Mega, MegaEma, megaKernel, MinGru, MinLstm, RgLru, S5 } from './index.ts';
import { lruConfig } from './lru.ts';
import type { ParameterSpecs } from './parameters.ts';
import { s5Config, s5Parameters } from './s5-parameters.ts';
import { discretiseDiagonal } from './s5-discretise.ts';

const backends = await backendMatrix(useBackend);
const noise = (shape: number[], seed = 1, deviation = 1): Tensor => tf.tensor(Random.fromSeed(seed).normal(shape.reduce((a, b) => a * b, 1), { deviation }), shape);
const close = (actual: ArrayLike<number>, expected: ArrayLike<number>, bound = BOUNDS.output): void => {
  expect(actual.length).toBe(expected.length);
  expect(tensorError(actual, expected).relative).toBeLessThan(bound);
};
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const values = (layer: { parameters: object }, name: string): Float32Array => (layer.parameters as { [name: string]: Tensor })[name]!.dataSync() as Float32Array;

describe.each(backends)('layers of linear recurrences on %s', (backend) => {
  beforeAll(async () => { await useBackend(backend); });

  it('Liquid-S4 is its bilinear recurrence, written out in float64', () => {
    using layer = LiquidS4.create({ dModel: 2, dState: 4, dtMin: 0.05, dtMax: 0.3 }, { seed: 1 });
    const x = noise([1, 7, 2]), u = x.dataSync();
    const [logDt, real, imaginary, B, C, D] = ['log_dt', 'inv_A_real', 'A_imag', 'B', 'C', 'D'].map((name) => values(layer, name));
    const expected = new Float64Array(14);
    for (let h = 0; h < 2; h++) {
      for (let n = 0; n < 2; n++) {
        const at = h * 2 + n, dt = Math.exp(logDt![h]!);
        const [re, im] = [-Math.exp(real![at]!) * dt / 2, imaginary![at]! * dt / 2];
        const square = (1 - re) ** 2 + im ** 2;
        const [ire, iim] = [(1 - re) / square, im / square];
        const [are, aim] = [(1 + re) * ire - im * iim, (1 + re) * iim + im * ire];
        const [bre, bim] = [dt * (ire * B![2 * at]! - iim * B![2 * at + 1]!), dt * (ire * B![2 * at + 1]! + iim * B![2 * at]!)];
        let [sre, sim] = [0, 0];
        for (let t = 0; t < 7; t++) {
          const input = u[t * 2 + h]!;
          const [tre, tim] = [are + bre * input, aim + bim * input];
          [sre, sim] = [tre * sre - tim * sim + bre * input, tre * sim + tim * sre + bim * input];
          expected[t * 2 + h]! += 2 * (C![2 * at]! * sre - C![2 * at + 1]! * sim);
        }
      }
      for (let t = 0; t < 7; t++) expected[t * 2 + h]! += D![h]! * u[t * 2 + h]!;
    }
    close(layer.apply(x).output.dataSync(), expected);
  });

  it('minGRU and minLSTM are their equations', () => {
    const g = (x: number): number => (x >= 0 ? x + 0.5 : sigmoid(x));
    for (const layer of [MinGru.create({ dModel: 2 }, { seed: 3 }), MinLstm.create({ dModel: 2 }, { seed: 3 })]) {
      const x = noise([1, 6, 2], 4, 3), u = x.dataSync();
      const project = (name: string, t: number, e: number): number => {
        const [weight, bias] = [values(layer, `${name}.weight`), values(layer, `${name}.bias`)];
        return weight[2 * e]! * u[2 * t]! + weight[2 * e + 1]! * u[2 * t + 1]! + bias[e]!;
      };
      const expected = new Float64Array(12);
      for (let e = 0; e < 2; e++) {
        let h = 0;
        for (let t = 0; t < 6; t++) {
          const candidate = g(project('linear_h', t, e));
          if (layer instanceof MinGru) {
            const z = sigmoid(project('linear_z', t, e));
            h = (1 - z) * h + z * candidate;
          } else {
            const [f, i] = [sigmoid(project('linear_f', t, e)), sigmoid(project('linear_i', t, e))];
            h = (f * h + i * candidate) / (f + i);
          }
          expected[2 * t + e] = h;
        }
      }
      close(layer.apply(x).output.dataSync(), expected);
      layer.dispose();
    }
  });

  it('HGRN forgets nothing below its lower bound', () => {
    using layer = Hgrn.create({ dModel: 3, lowerBound: 0.5 }, { seed: 1 });
    const first = layer.apply(noise([1, 1, 3])).state.hidden;
    const closed = layer.apply(tf.zeros([1, 1, 3]), { state: { hidden: first } }).state.hidden; // f = .5 + .5 / 2
    close(closed.dataSync(), first.dataSync().map((value) => 0.75 * value));
    expect(() => Hgrn.create({ dModel: 3, lowerBound: 1 })).toThrow(ConfigError);
  });

  it('LDStack of depth 1 is linear, of depth 2 is not, and both are stable for large inputs', () => {
    for (const depth of [1, 2]) {
      using layer = LdStack.create({ dModel: 2, dState: 4, depth }, { seed: 2 });
      const run = (x: Tensor): Float32Array => layer.apply(x).output.dataSync() as Float32Array;
      const [x, y] = [noise([1, 9, 2], 1), noise([1, 9, 2], 2)];
      const [a, b, both] = [run(x), run(y), run(tf.add(x, y))];
      const error = tensorError(both, a.map((value, i) => value + b[i]!)).relative;
      if (depth === 1) expect(error).toBeLessThan(BOUNDS.output);
      else expect(error).toBeGreaterThan(1e-3);
      expect(run(tf.mul(x, 1e4)).every(Number.isFinite)).toBe(true);
    }
  });

  it('bidirectional S5 and EMA commute with reversal where both directions have the same weights', () => {
    using s5 = S5.create({ dModel: 3, ssmSize: 4, bidirectional: true }, { seed: 1 });
    const weights = s5.parameters as { [name: string]: Variable };
    weights['seq.C2']!.assign(weights['seq.C1']!);
    const x = noise([2, 8, 3]);
    close(s5.apply(tf.reverse(x, 1)).output.dataSync(), tf.reverse(s5.apply(x).output, 1).dataSync());
    using ema = MegaEma.create({ dModel: 3, bidirectional: true }, { seed: 1 });
    for (const name of ['delta', 'alpha', 'beta', 'gamma']) {
      const variable = (ema.parameters as typeof weights)[name]!;
      const half = tf.slice(variable, [0], [3]);
      variable.assign(tf.concat([half, half], 0));
    }
    close(ema.apply(tf.reverse(x, 1)).output.dataSync(), tf.reverse(ema.apply(x).output, 1).dataSync());
    expect(() => s5.step(tf.zeros([2, 3]), {} as never)).toThrow(ShapeError);
    expect(() => ema.step(tf.zeros([2, 3]), {} as never)).toThrow(ShapeError);
  });

  it("Mega's kernel is its average's answer to an impulse, and a truncated average forgets", () => {
    using whole = MegaEma.create({ dModel: 2, ndim: 3 }, { seed: 1 });
    using cut = MegaEma.create({ dModel: 2, ndim: 3, truncation: 4 }, { seed: 1 });
    const kernel = megaKernel(whole.parameters, 0, 2, 6).arraySync() as number[][];
    const gate = (layer: MegaEma): number[][] => layer.apply(tf.tensor([[[1, 1], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0]]])).output.squeeze([0]).arraySync() as number[][];
    const silu = (x: number): number => x * sigmoid(x);
    close(gate(whole).slice(1).flat(), [1, 2, 3, 4, 5].flatMap((t) => [silu(kernel[0]![t]!), silu(kernel[1]![t]!)]));
    expect(gate(cut).slice(4).flat().every((value) => value === 0)).toBe(true);
    close(gate(cut).slice(1, 4).flat(), gate(whole).slice(1, 4).flat());
  });

  it('Mega-chunk equals Mega inside one chunk, and does not look over the border', () => {
    const options = { dModel: 4, zdim: 2, hdim: 4, ndim: 2 };
    using whole = Mega.create({ ...options, maxPositions: 5 }, { seed: 1 });
    using chunked = Mega.create({ ...options, maxPositions: 5, chunkSize: 5 }, { seed: 1 });
    const x = noise([2, 5, 4]);
    close(chunked.apply(x).output.dataSync(), whole.apply(x).output.dataSync());
    const first = chunked.apply(x).state;
    expect([...first.position.dataSync()]).toEqual([0, 0]);
    expect(first.key.dataSync().every((value) => value === 0)).toBe(true);
    expect(() => whole.apply(noise([1, 6, 4]))).toThrow(StateError);
  });

  it('RG-LRU takes the first step of a sequence unscaled', () => {
    using layer = RgLru.create({ dModel: 2 }, { seed: 1 });
    const x = noise([1, 2, 2]);
    const [wi, bi] = [values(layer, 'input_gate.w'), values(layer, 'input_gate.b')];
    const u = x.dataSync();
    const expected = [0, 1].map((e) => u[e]! * sigmoid(wi[e]! * u[0]! + wi[2 + e]! * u[1]! + bi[e]!));
    close(layer.apply(tf.slice(x, [0, 0], [1, 1])).output.dataSync(), expected);
    const going = layer.apply(tf.slice(x, [0, 0], [1, 1]), { state: { hidden: tf.zeros([1, 2]), begun: tf.tensor1d([1], 'int32') } }).output.dataSync();
    expect(Math.abs(going[0]!)).toBeLessThan(Math.abs(expected[0]!));
  });

  it('the discretisation has the right gradient, near 0 and at it', () => {
    for (const method of ['zoh', 'bilinear'] as const) {
      const at = (re: number, im: number, step: number): number => tf.tidy(() => {
        const { decay, input } = discretiseDiagonal({ re: tf.tensor1d([re]), im: tf.tensor1d([im]) }, tf.tensor1d([step]), method);
        return 3 * decay.re.dataSync()[0]! + decay.im.dataSync()[0]! - 2 * input.re.dataSync()[0]! + input.im.dataSync()[0]!;
      });
      for (const [re, im, step] of [[-0.5, 2, 0.3], [-0.5, 40, 0.1], [0, 0, 0.5], [-1e-4, 1e-3, 0.01]] as const) {
        const gradients = tf.grads((a: Tensor, b: Tensor, c: Tensor) => {
          const { decay, input } = discretiseDiagonal({ re: a, im: b }, c, method);
          return tf.sum(tf.addN([tf.mul(3, decay.re), decay.im, tf.mul(-2, input.re), input.im]));
        })([tf.tensor1d([re]), tf.tensor1d([im]), tf.tensor1d([step])]).map((gradient) => gradient.dataSync()[0]!);
        const h = 1 / 64;
        const slopes = [at(re + h, im, step) - at(re - h, im, step), at(re, im + h, step) - at(re, im - h, step), at(re, im, step + h / 64) - at(re, im, step - h / 64)];
        slopes.map((difference, i) => difference / (i === 2 ? h / 32 : 2 * h)).forEach((slope, i) => expect(Math.abs(gradients[i]! - slope)).toBeLessThan(2e-2 * Math.max(1, Math.abs(slope))));
      }
    }
  });
});

describe('first values', () => {
  const draw = (specs: ParameterSpecs, name: string): Float32Array => specs[name]!.initialise(specs[name]!.shape, Random.fromSeed(5).split(name));

  it('LRU: eigenvalues uniform in area on the ring, input normalised', async () => {
    await useBackend('cpu');
    using layer = Lru.create({ dModel: 4, dState: 2000, rMin: 0.5, rMax: 0.9 }, { seed: 1 });
    const sizes = [...values(layer, 'nu_log')].map((nu) => Math.exp(-Math.exp(nu)));
    expect(Math.min(...sizes)).toBeGreaterThan(0.4999);
    expect(Math.max(...sizes)).toBeLessThan(0.9001);
    expect(sizes.reduce((sum, size) => sum + size ** 2, 0) / 2000).toBeCloseTo((0.25 + 0.81) / 2, 1.7);
    values(layer, 'gamma_log').forEach((gamma, i) => expect(gamma).toBeCloseTo(0.5 * Math.log(1 - sizes[i]! ** 2), 4));
    expect(() => lruConfig({ dModel: 4, rMin: 0.9, rMax: 0.5 })).toThrow(ConfigError);
    expect(() => Lru.create({ dModel: 4, d_state: 3 } as never)).toThrow('unknown option "d_state"');
  });

  it('S5: eigenvalues of HiPPO-N with real part -1/2, steps log-uniform', () => {
    const specs = s5Parameters(s5Config({ dModel: 6, ssmSize: 16, blocks: 2 }));
    const real = draw(specs, 'seq.Lambda_re'), imaginary = draw(specs, 'seq.Lambda_im');
    expect(real).toHaveLength(8);
    real.forEach((value) => expect(value).toBeCloseTo(-0.5, 5));
    expect([...imaginary.slice(0, 4)]).toEqual([...imaginary.slice(4)]);
    expect(new Set(imaginary.map(Math.abs)).size).toBe(4);
    const steps = draw(s5Parameters(s5Config({ dModel: 4, ssmSize: 4000, blocks: 1000 })), 'seq.log_step').map(Math.exp);
    expect(Math.min(...steps)).toBeGreaterThan(0.00099);
    expect(Math.max(...steps)).toBeLessThan(0.1001);
    expect(() => s5Config({ dModel: 4, ssmSize: 6, blocks: 2 })).toThrow(ConfigError);
    expect(() => s5Config({ dModel: 4, activation: 'relu' as never })).toThrow('expected one of none, gelu');
  });

  it('Griffin: decays on the ring from .9 to .999', () => {
    const specs = griffinParameters(griffinConfig({ dModel: 4, lruWidth: 2000, numHeads: 4 }));
    const decays = draw(specs, 'rg_lru.a_param').map((a) => Math.exp(-Math.log1p(Math.exp(a))));
    expect(Math.min(...decays)).toBeGreaterThan(0.8999);
    expect(Math.max(...decays)).toBeLessThan(0.9991);
    expect(() => Griffin.create({ dModel: 4, lruWidth: 6, numHeads: 4 })).toThrow(ConfigError);
  });
});
