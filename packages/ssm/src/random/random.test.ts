import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StateError } from '../errors/index.ts';
import { glorotUniform, orthogonal, Random } from './index.ts';

describe('Random', () => {
  it('gives the same stream for the same seed and another for another', () => {
    expect(Random.fromSeed(7).uniform(5)).toEqual(Random.fromSeed(7).uniform(5));
    expect(Random.fromSeed(7).uniform(5)).not.toEqual(Random.fromSeed(8).uniform(5));
    expect(Random.fromSeed('7').uniform(5)).not.toEqual(Random.fromSeed(7).uniform(5));
  });

  it('pins the stream, so that a seed means the same in every release', () => {
    const random = Random.fromSeed(1);
    expect([random.next(), random.integer(1000), random.nextNormal()]).toMatchInlineSnapshot(`
      [
        0.6257463578249194,
        169,
        -0.13520799480530174,
      ]
    `);
  });

  it('continues bit for bit from a state that went through JSON, at any position', () => {
    fc.assert(fc.property(fc.integer(), fc.array(fc.constantFrom('next', 'nextNormal', 'integer'), { maxLength: 20 }), (seed, calls) => {
      const random = Random.fromSeed(seed);
      for (const call of calls) if (call === 'integer') random.integer(7); else random[call as 'next' | 'nextNormal']();
      const copy = Random.fromState(JSON.parse(JSON.stringify(random.state())));
      expect(copy.normal(5)).toEqual(random.normal(5));
      expect(copy.split('x').uniform(3)).toEqual(random.split('x').uniform(3));
    }), { numRuns: 50 });
  });

  it('splits by label alone: drawing does not change the children, labels do', () => {
    const random = Random.fromSeed(3);
    const before = random.split('dropout').uniform(4);
    random.uniform(100);
    expect(random.split('dropout').uniform(4)).toEqual(before);
    expect(random.split('weights').uniform(4)).not.toEqual(before);
    expect(random.split(1).uniform(4)).not.toEqual(random.split('1').uniform(4));
  });

  it('has uncorrelated first values over neighbouring seeds', () => {
    const first = Array.from({ length: 2000 }, (_, seed) => Random.fromSeed(seed).next());
    const mean = first.reduce((sum, value) => sum + value, 0) / first.length;
    const serial = first.slice(1).reduce((sum, value, index) => sum + (value - mean) * (first[index] - mean), 0) / first.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
    expect(Math.abs(serial)).toBeLessThan(0.006);
  });

  it('has the moments of the normal distribution', () => {
    const values = Random.fromSeed(5).normal(40000);
    const moment = (power: number): number => values.reduce((sum, value) => sum + value ** power, 0) / values.length;
    expect(Math.abs(moment(1))).toBeLessThan(0.02);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.03);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.2);
  });

  it('permutes without loss', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 200 }), (count) => {
      expect([...Random.fromSeed(count).permutation(count)].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, index) => index));
    }));
  });

  it('refuses a foreign state', () => {
    expect(() => Random.fromState({ words: [1] } as never)).toThrow(StateError);
  });
});

describe('initialisers', () => {
  it.each([[6, 6], [4, 9], [9, 4]])('orthogonal [%i, %i] has orthonormal rows or columns', (rows, columns) => {
    const values = orthogonal()([rows, columns], Random.fromSeed(1));
    const at = (row: number, column: number): number => values[row * columns + column];
    const small = Math.min(rows, columns);
    for (let a = 0; a < small; a++) {
      for (let b = 0; b < small; b++) {
        let dot = 0;
        for (let k = 0; k < Math.max(rows, columns); k++) dot += rows <= columns ? at(a, k) * at(b, k) : at(k, a) * at(k, b);
        expect(dot).toBeCloseTo(a === b ? 1 : 0, 6);
      }
    }
  });

  it('glorotUniform stays in its bound and fills it', () => {
    const values = glorotUniform()([30, 20], Random.fromSeed(2));
    const bound = Math.sqrt(6 / 50);
    expect(Math.max(...values)).toBeLessThanOrEqual(bound);
    expect(Math.max(...values)).toBeGreaterThan(bound * 0.95);
  });
});
