import { Random } from '@mamba360/ssm/random';
import { expect, it } from 'vitest';
import { checkSampling, sample, watchFor } from './index.ts';
import type { SamplingOptions } from './index.ts';

const logits = Float32Array.from([Math.log(0.5), Math.log(0.3), Math.log(0.15), Math.log(0.05)]);

/** Shares of each token in many draws. */
function shares(options: SamplingOptions, seen: number[] = [], draws = 20_000): number[] {
  const random = Random.fromSeed(5), counts = [0, 0, 0, 0];
  for (let i = 0; i < draws; i++) counts[sample(logits, options, random, seen).token]! += 1 / draws;
  return counts;
}

const near = (actual: number[], expected: number[]): void => { actual.forEach((share, i) => expect(share).toBeCloseTo(expected[i]!, 1)); };

it('draws in proportion, and each cut leaves what it says', () => {
  near(shares({}), [0.5, 0.3, 0.15, 0.05]);
  near(shares({ temperature: 0.5 }), [0.25, 0.09, 0.0225, 0.0025].map((share) => share / 0.365));
  expect(shares({ topK: 2 })).toEqual([expect.closeTo(0.625, 1), expect.closeTo(0.375, 1), 0, 0]);
  expect(shares({ topP: 0.6 }).slice(2)).toEqual([0, 0]);
  expect(shares({ topP: 0.4 })).toEqual([expect.closeTo(1), 0, 0, 0]);
  expect(shares({ minP: 0.25 })[3]).toBe(0);
  expect(shares({ minP: 0.25 })[2]).toBeGreaterThan(0.1);
  expect(shares({ logitBias: { 0: -Infinity } })[0]).toBe(0);
});

it('takes the likeliest at temperature 0, and says its log-probability before all changes', () => {
  const random = Random.fromSeed(1);
  expect(sample(logits, { temperature: 0 }, random)).toEqual({ token: 0, logProbability: expect.closeTo(Math.log(0.5), 5) });
  expect(sample(logits, { temperature: 0, logitBias: { 1: 1 } }, random)).toEqual({ token: 1, logProbability: expect.closeTo(Math.log(0.3), 5) });
  // Negative logits move away from zero, positive ones towards it.
  expect(sample(logits, { temperature: 0, repetitionPenalty: 3 }, random, [0]).token).toBe(1);
  expect(sample(Float32Array.of(2, 1.5), { temperature: 0, repetitionPenalty: 2 }, random, [0]).token).toBe(1);
  expect(sample(Float32Array.of(Number.NaN, 1), { temperature: 0 }, random).token).toBe(1);
});

it('is repeatable by its seed', () => {
  const draw = (seed: number): number[] => { const random = Random.fromSeed(seed); return Array.from({ length: 30 }, () => sample(logits, {}, random).token); };
  expect(draw(3)).toEqual(draw(3));
  expect(draw(3)).not.toEqual(draw(4));
});

it('refuses what makes no sense', () => {
  expect(() => { checkSampling({ temperature: -1 }); }).toThrowErrorMatchingInlineSnapshot(`[ConfigError: sampling: temperature is -1, expected a number of at least 0.]`);
  expect(() => { checkSampling({ topP: 0 }); }).toThrow('topP is 0, expected more than 0 and at most 1');
  expect(() => { checkSampling({ topK: 1.5 }); }).toThrow('topK is 1.5');
  expect(() => { checkSampling({ minP: 1 }); }).toThrow('minP is 1');
  expect(() => sample(logits, { logitBias: { 0: -Infinity, 1: -Infinity, 2: -Infinity, 3: -Infinity } }, Random.fromSeed(1))).toThrow('no token is left');
});

it('holds back what may become a stop string, and nothing else', () => {
  const watch = watchFor(['\n\n', 'END']);
  expect(watch.push('a\n')).toEqual({ text: 'a', stopped: false });
  expect(watch.push('b E')).toEqual({ text: '\nb ', stopped: false });
  expect(watch.push('N')).toEqual({ text: '', stopped: false });
  expect(watch.push('x')).toEqual({ text: 'ENx', stopped: false });
  expect(watch.push('yENDz')).toEqual({ text: 'y', stopped: true });
  const other = watchFor(['abc']);
  expect(other.push('xab').text + other.end()).toBe('xab');
});
