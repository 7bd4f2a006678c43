import { backendMatrix, checkOperation, expectGradient, kernelVariants, poisonOutputs, SeededValues, tensorsOf } from '@mamba360/testing';
import type { NamedArray } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelTargetOf, tf, useBackend } from '../../backend/index.ts';
import { GradientError } from '../../errors/index.ts';
import { mixtureOfExperts } from './index.ts';
import type { MixtureOfExpertsOptions } from './index.ts';
import { expertsBackwardReference, expertsForwardReference } from './reference.ts';
import { sortByExpert, topChoices } from './route.ts';

const variants = kernelVariants(await backendMatrix(useBackend));

interface Setup { readonly rows?: number; readonly inner?: number; readonly hidden?: number; readonly experts?: number; readonly topK?: number; readonly normalise?: boolean; readonly activation?: 'swiglu' | 'gelu' | 'relu'; readonly scale?: number }
interface Example { readonly inputs: Record<string, NamedArray>; readonly options: { readonly topK: number; readonly normalise: boolean; readonly activation: 'swiglu' | 'gelu' | 'relu' }; readonly sizes: { rows: number; inner: number; hidden: number; experts: number } }

function makeExample({ rows = 9, inner = 5, hidden = 7, experts = 3, topK = 1, normalise = false, activation = 'swiglu', scale = 1 }: Setup): Example {
  const random = new SeededValues(31);
  const normal = (shape: number[], deviation = 1): NamedArray => ({ shape, values: Float64Array.from(random.normal(shape.reduce((a, b) => a * b, 1), deviation), Math.fround) });
  return {
    options: { topK, normalise, activation }, sizes: { rows, inner, hidden, experts },
    inputs: {
      x: normal([rows, inner], scale), router: normal([experts, inner], 1 / scale), first: normal([experts, activation === 'swiglu' ? 2 * hidden : hidden, inner], 1 / Math.sqrt(inner)),
      second: normal([experts, inner, hidden], 1 / Math.sqrt(hidden)),
    },
  };
}

/** Routing, experts and both losses in float64, with the gradient of their weighted sum. */
function reference({ inputs, options, sizes }: Example) {
  const { rows, inner, experts } = sizes;
  const { topK, normalise, activation } = options;
  const [x, router] = [inputs['x']!.values, inputs['router']!.values];
  const logits = Float64Array.from({ length: rows * experts }, (_, i) => {
    let sum = 0;
    for (let d = 0; d < inner; d++) sum += x[Math.floor(i / experts) * inner + d]! * router[(i % experts) * inner + d]!;
    return sum;
  });
  const logSums = Float64Array.from({ length: rows }, (_, row) => {
    const own = logits.slice(row * experts, (row + 1) * experts);
    const largest = Math.max(...own);
    return largest + Math.log(own.reduce((sum, value) => sum + Math.exp(value - largest), 0));
  });
  const chances = logits.map((value, i) => Math.exp(value - logSums[Math.floor(i / experts)]!));
  const chosen = topChoices(logits, rows, experts, topK);
  const sums = Float64Array.from({ length: rows }, (_, row) => [...chosen.slice(row * topK, (row + 1) * topK)].reduce((sum, e) => sum + chances[row * experts + e]!, 0));
  const gates = Float64Array.from(chosen, (e, pair) => chances[Math.floor(pair / topK) * experts + e]! / (normalise ? sums[Math.floor(pair / topK)]! : 1));
  const given = { ...sizes, choices: topK, activation, x, first: inputs['first']!.values, second: inputs['second']!.values, gates, chosen };
  const shares = Float64Array.from({ length: experts }, (_, e) => chosen.filter((one) => one === e).length / rows);
  const means = Float64Array.from({ length: experts }, (_, e) => chances.reduce((sum, value, i) => sum + (i % experts === e ? value : 0), 0) / rows);
  const balance = experts * shares.reduce((sum, share, e) => sum + share * means[e]!, 0);
  const spread = logSums.reduce((sum, value) => sum + value * value, 0) / rows;
  const gradients = (dy: ArrayLike<number>, dBalance: number, dSpread: number): Record<string, Float64Array> => {
    const g = expertsBackwardReference(given, dy);
    const dChances = chances.map((_, i) => dBalance * experts * shares[i % experts]! / rows);
    g.dGates.forEach((slope, pair) => {
      const row = Math.floor(pair / topK);
      if (!normalise) dChances[row * experts + chosen[pair]!]! += slope;
      else {
        for (let choice = 0; choice < topK; choice++) {
          const other = row * topK + choice;
          dChances[row * experts + chosen[other]!]! += slope * ((other === pair ? 1 : 0) - gates[pair]!) / sums[row]!;
        }
      }
    });
    const dLogits = logits.map((_, i) => {
      const row = Math.floor(i / experts);
      let mean = 0;
      for (let e = 0; e < experts; e++) mean += dChances[row * experts + e]! * chances[row * experts + e]!;
      return chances[i]! * (dChances[i]! - mean + dSpread * 2 * logSums[row]! / rows);
    });
    const [dx, dRouter] = [g.dx.slice(), new Float64Array(router.length)];
    dLogits.forEach((slope, i) => {
      for (let d = 0; d < inner; d++) {
        dx[Math.floor(i / experts) * inner + d]! += slope * router[(i % experts) * inner + d]!;
        dRouter[(i % experts) * inner + d]! += slope * x[Math.floor(i / experts) * inner + d]!;
      }
    });
    return { x: dx, router: dRouter, first: g.dFirst, second: g.dSecond };
  };
  return { output: expertsForwardReference(given), balance, spread, gradients };
}

const run = (t: Record<string, Tensor>, options: MixtureOfExpertsOptions) => mixtureOfExperts(t['x']!, { router: t['router']!, first: t['first']!, second: t['second']! }, options);

const SETUPS: [string, Setup][] = [
  ...(['swiglu', 'gelu', 'relu'] as const).flatMap((activation) => [1, 2].map((topK): [string, Setup] => [`${activation}, top ${topK}`, { activation, topK }])),
  ['two normalised choices', { topK: 2, normalise: true }], ['all experts', { topK: 3, normalise: true }], ['one expert', { experts: 1 }],
  ...[1, 2, 3, 31, 32, 33, 130].map((rows): [string, Setup] => [`${rows} rows`, { rows, topK: 2 }]), ...[1, 16, 17, 33].map((inner): [string, Setup] => [`width ${inner}, hidden ${inner + 1}`, { inner, hidden: inner + 1 }]),
  ['values of 1e3', { scale: 1e3, activation: 'gelu' }], ['more experts than rows', { rows: 4, experts: 40, topK: 5 }],
];

describe('mixture of experts in float64', () => {
  it.each(SETUPS.slice(0, 8))('gradients: %s', (_label, setup) => {
    const example = makeExample({ ...setup, rows: 5 });
    const random = new SeededValues(7);
    const dy = random.normal(25);
    const loss = (): number => {
      const { output, balance, spread } = reference(example);
      return output.reduce((sum, value, i) => sum + value * dy[i]!, 0) + 0.3 * balance - 0.7 * spread;
    };
    const gradients = reference(example).gradients(dy, 0.3, -0.7);
    for (const name of ['x', 'router', 'first', 'second']) expectGradient(name, gradients[name]!, loss, example.inputs[name]!.values);
  });

  it('sorts and chooses by hand', () => {
    expect([...topChoices([1, 3, 2, 5, 5, 5, Number.NaN, 0, Number.NaN], 3, 3, 2)]).toEqual([1, 2, 0, 1, 1, 0]);
    const { order, offsets, blocks } = sortByExpert(Int32Array.of(2, 0, 2, 0, 2), 4);
    expect([...order]).toEqual([1, 3, 0, 2, 4]);
    expect([...offsets]).toEqual([0, 2, 2, 5, 5]);
    expect([...blocks]).toEqual([0, 0, 2, 2, 2, 5]);
  });
});

describe.each(variants)('mixtureOfExperts on $label', ({ name, kernels }) => {
  beforeAll(async () => {
    await useBackend({ name, kernels });
    await useBackend({ name, kernels: poisonOutputs(kernelTargetOf(name)!) });
  });

  it.each(SETUPS)('equals the float64 reference: %s', (_label, setup) => {
    const example = makeExample(setup);
    const { output, balance, spread, gradients } = reference(example);
    checkOperation({
      tf, inputs: example.inputs,
      run: (t) => {
        const result = run(t, example.options);
        return { output: result.output, balance: result.balanceLoss, spread: result.routerLoss };
      },
      expected: { output, balance: [balance], spread: [spread] },
      expectedGradients: (slopes) => gradients(slopes['output']!, slopes['balance']![0]!, slopes['spread']![0]!),
    });
  });

  it('a row does not feel its neighbours: close alone, and the same experts', () => {
    const { inputs, options } = makeExample({ rows: 80, topK: 2, experts: 5 });
    tf.tidy(() => {
      const t = tensorsOf(tf, inputs);
      const whole = run(t, options);
      for (const [from, count] of [[0, 1], [7, 5], [40, 40]] as const) {
        const part = run({ ...t, x: tf.slice(t['x']!, [from, 0], [count, 5]) }, options);
        const expected = whole.output.dataSync().subarray(from * 5, (from + count) * 5);
        part.output.dataSync().forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(1e-6));
        expect([...part.chosen.dataSync()]).toEqual([...whole.chosen.dataSync().subarray(from * 2, (from + count) * 2)]);
      }
    });
  });

  it('keeps NaN in its row, counts only what is to be counted, takes no rows, refuses a second gradient', () => {
    const { inputs, options } = makeExample({ rows: 4 });
    tf.tidy(() => {
      const t = tensorsOf(tf, inputs);
      const x = tf.tensor(Float32Array.from(inputs['x']!.values, (value, i) => (i === 7 ? Number.NaN : value)), [4, 5]);
      expect([...run({ ...t, x }, options).output.dataSync()].map(Number.isNaN)).toEqual(Array.from({ length: 20 }, (_, i) => Math.floor(i / 5) === 1));
      const counted = run(t, { ...options, counted: tf.tensor1d([1, 0, 1, 1]) });
      const rest = run({ ...t, x: tf.gather(t['x']!, tf.tensor1d([0, 2, 3], 'int32')) }, options);
      for (const loss of ['balanceLoss', 'routerLoss'] as const) expect(counted[loss].dataSync()[0]).toBeCloseTo(rest[loss].dataSync()[0]!, 5);
      const none = run({ ...t, x: tf.zeros([2, 0, 5]) }, options);
      expect(none.output.shape).toEqual([2, 0, 5]);
      const inner = (value: Tensor): Tensor => tf.grad((y: Tensor) => tf.sum(run({ ...t, x: y }, options).output))(value);
      expect(() => tf.grad((value: Tensor) => tf.sum(inner(value)))(t['x']!)).toThrow(GradientError);
    });
  });
});

it('mixtureOfExperts says what is wrong', () => {
  const t = (shape: number[]): Tensor => tf.zeros(shape);
  const weights = { router: t([3, 4]), first: t([3, 10, 4]), second: t([3, 4, 5]) };
  expect(() => mixtureOfExperts(t([2, 5]), weights)).toThrowErrorMatchingInlineSnapshot(`[ShapeError: mixtureOfExperts: x has shape [2, 5], expected a last axis of 4 ([..., D], D from router [3, 4]). Transpose the router if it is [D, X].]`);
  expect(() => mixtureOfExperts(t([2, 4]), { ...weights, first: t([3, 5, 4]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: mixtureOfExperts: first has shape [3, 5, 4], expected [3, 10, 4] ([X, 2 F, D], value and gate). Give one matrix for each expert.]`);
  expect(() => mixtureOfExperts(t([2, 4]), { ...weights, second: t([2, 4, 5]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: mixtureOfExperts: second has shape [2, 4, 5], expected [3, 4, 5] ([X, D, F]). Give one matrix for each expert.]`);
  expect(() => mixtureOfExperts(t([2, 4]), weights, { topK: 4 })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: mixtureOfExperts: topK is 4, expected 1 to 3, the number of experts. Set options.topK.]`);
  expect(() => mixtureOfExperts(t([2, 4]), weights, { activation: 'tanh' as never })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: mixtureOfExperts: activation is 'tanh', expected 'swiglu', 'gelu' or 'relu'. Set options.activation.]`);
  expect(() => mixtureOfExperts(t([2, 4]), weights, { counted: t([3]) })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: mixtureOfExperts: counted has shape [3], expected [2] (x without its last axis). Give one entry for each row.]`);
});
