import { Random } from '@mamba360/ssm/random';
import { generated } from '../suite/task.ts';
import type { LearningTask, TaskBatch } from '../suite/task.ts';
import { growingLength } from './parity.ts';

const MODULUS = 5;
/** Tokens: the digits 0 to 4, then these. */
export const OPERATORS = ['+', '-', '*'] as const;

/**
 * Expressions of digits and + - * without brackets, products first; at each digit the value, modulo 5, of the expression up to there.
 *
 * @param length - Odd: digits and operators in turn.
 * @see Deletang et al. 2022, arXiv 2207.02098, modular arithmetic (simple).
 */
export function modularArithmeticBatch(random: Random, batch: number, length: number, ask: 'every' | 'last'): TaskBatch {
  const inputs = new Int32Array(batch * length);
  const targets = new Int32Array(batch * length).fill(-1);
  for (let row = 0; row < batch; row++) {
    // What is summed already, and the product that the next digit may still join.
    let sum = 0;
    let product = 0;
    for (let step = 0; step < length; step++) {
      const place = row * length + step;
      if (step % 2 === 1) {
        inputs[place] = MODULUS + random.integer(OPERATORS.length);
        continue;
      }
      const digit = random.integer(MODULUS);
      const operator = step === 0 ? '+' : OPERATORS[inputs[place - 1]! - MODULUS]!;
      if (operator === '*') product = (product * digit) % MODULUS;
      else {
        sum = (sum + product) % MODULUS;
        product = operator === '+' ? digit : (MODULUS - digit) % MODULUS;
      }
      inputs[place] = digit;
      if (ask === 'every' || step === length - 1) targets[place] = (sum + product) % MODULUS;
    }
  }
  return { batch, length, inputs, targets };
}

const odd = (length: number): number => length - 1 + (length % 2);

export function modularArithmeticTask(): LearningTask {
  const random = Random.fromSeed('modular arithmetic');
  const test = (length: number) => generated(`length ${length}`, { batches: 8, random, batch: (stream) => modularArithmeticBatch(stream, 128, length, 'last') });
  return {
    name: 'modular-arithmetic', reads: { kind: 'tokens', vocabSize: MODULUS + OPERATORS.length }, classes: MODULUS, answer: 'positions', trainLength: 159, maximumLength: 255,
    train: (stream, progress, batchSize) => modularArithmeticBatch(stream, batchSize, odd(growingLength(stream.split('length'), progress)), 'every'),
    validation: generated('validation', { batches: 2, random, batch: (stream) => modularArithmeticBatch(stream, 128, 159, 'last') }),
    tests: [test(39), test(159), test(255)], headline: 'length 255', chance: 1 / MODULUS, scaled: true,
    bar: { floor: 90, target: 98, published: 'Mamba-3 98.5, Mamba-2 47.8 without brackets, scaled accuracy (Mamba-3 paper)' },
    models: ['mamba3', 'delta-net', 'slstm', 'mamba2'], baselines: ['lstm', 'transformer-decoder'], controls: [],
    recipe: { dModel: 64, nLayer: 3, steps: 8000, batchSize: 64, learningRate: 2e-3 },
  };
}
