import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { FileError } from '@mamba360/ssm/errors';
import { Random } from '@mamba360/ssm/random';
import { describe, expect, test } from 'vitest';
import type { TaskBatch } from '../suite/task.ts';
import { associativeRecallBatch } from './associative-recall.ts';
import { inductionHeadsBatch } from './induction-heads.ts';
import { applyListOp, LIST_OPS_FULL, LIST_OPS_SHORT, listOpsBatch, listOpsExample, listOpsText } from './list-ops.ts';
import { modularArithmeticBatch, OPERATORS } from './modular-arithmetic.ts';
import { parityBatch } from './parity.ts';
import { selectiveCopyingBatchOf } from './selective-copying-task.ts';
import { sequentialMnistTask } from './sequential-mnist.ts';

const random = Random.fromSeed('generators');
const rowOf = ({ inputs, targets, length }: TaskBatch, row: number): { tokens: number[]; asked: [number, number][] } => ({
  tokens: [...inputs.subarray(row * length, (row + 1) * length)],
  asked: [...targets.subarray(row * length, (row + 1) * length)].flatMap((target, step): [number, number][] => (target >= 0 ? [[step, target]] : [])),
});
const rowsOf = (batch: TaskBatch): ReturnType<typeof rowOf>[] => Array.from({ length: batch.batch }, (_, row) => rowOf(batch, row));

describe('answers, by an evaluator of another kind', () => {
  test('selective copying: what is left when the noise is struck out', () => {
    for (const { tokens, asked } of rowsOf(selectiveCopyingBatchOf(random.split('copy'), 20, 32, 5))) {
      expect(asked.map(([step]) => step)).toEqual([32, 33, 34, 35, 36]);
      expect(asked.map(([, target]) => target)).toEqual(tokens.filter((token) => token < 14));
      expect(tokens.slice(32)).toEqual([15, 15, 15, 15, 15]);
    }
  });

  test('induction heads: what stood behind the first sign', () => {
    const places = new Set<number>();
    for (const { tokens, asked } of rowsOf(inductionHeadsBatch(random.split('heads'), 200, 12))) {
      expect(tokens.filter((token) => token === 15)).toHaveLength(2);
      expect(asked).toEqual([[11, Number(/15,(\d+),/.exec(`${tokens.join(',')},`)![1])]]);
      places.add(tokens.indexOf(15));
    }
    expect([...places].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('parity: the number of ones', () => {
    for (const { tokens, asked } of rowsOf(parityBatch(random.split('parity'), 30, 17, 'every'))) {
      expect(asked).toEqual(tokens.map((_, step) => [step, tokens.slice(0, step + 1).filter((bit) => bit === 1).length % 2]));
    }
    for (const { tokens, asked } of rowsOf(parityBatch(random.split('last'), 30, 17, 'last'))) expect(asked).toEqual([[16, tokens.reduce((a, b) => a + b) % 2]]);
  });

  test('modular arithmetic: the expression as JavaScript reads it', () => {
    for (const { tokens, asked } of rowsOf(modularArithmeticBatch(random.split('arithmetic'), 60, 15, 'every'))) {
      const text = tokens.map((token) => (token < 5 ? token : OPERATORS[token - 5]));
      expect(asked.map(([step]) => step)).toEqual([0, 2, 4, 6, 8, 10, 12, 14]);
      for (const [step, target] of asked) {
        // oxlint-disable-next-line no-implied-eval, no-new-func
        const value = new Function(`return ${text.slice(0, step + 1).join(' ')}`)() as number;
        expect(target, text.slice(0, step + 1).join(' ')).toBe(((value % 5) + 5) % 5);
      }
    }
  });

  test('associative recall: the value that follows the key in the list', () => {
    for (const { tokens, asked } of rowsOf(associativeRecallBatch(random.split('recall'), 30, 40, 6))) {
      const pairs = new Map(Array.from({ length: 6 }, (_, index) => [tokens[2 * index]!, tokens[2 * index + 1]! - 32]));
      expect(pairs.size).toBe(6);
      expect(asked).toHaveLength(6);
      expect(new Set(asked.map(([step]) => tokens[step])).size).toBe(6);
      for (const [step, target] of asked) expect(target).toBe(pairs.get(tokens[step]!));
      expect(tokens.slice(12).filter((token) => token !== 64)).toHaveLength(6);
    }
  });

  test('ListOps: the text, reduced from the inside by patterns', () => {
    /** Replaces innermost lists until one digit is left. */
    const evaluate = (text: string): number => {
      let rest = text;
      while (/\[/.test(rest)) {
        rest = rest.replace(/\[(MIN|MAX|MED|SM)((?: \d)+) \]/, (_, operator: string, digits: string) => {
          const values = digits.trim().split(' ').map(Number).sort((a, b) => a - b);
          if (operator === 'SM') return String(values.reduce((a, b) => a + b) % 10);
          if (operator === 'MIN') return String(values[0]);
          if (operator === 'MAX') return String(values.at(-1));
          return String(Math.trunc((values[(values.length - 1) >> 1]! + values[values.length >> 1]!) / 2));
        });
      }
      return Number(rest);
    };
    expect(evaluate('[MAX 4 3 [MIN 2 3 ] 1 0 [MED 1 5 8 9 2 ] ]')).toBe(5);
    expect(applyListOp('MED', [1, 4])).toBe(2);
    const { tokens: inputs, lengths, length, targets } = ((batch: TaskBatch) => ({ ...batch, tokens: batch.inputs }))(listOpsBatch(random.split('lists'), 40, LIST_OPS_SHORT));
    const answers: number[] = [];
    for (let row = 0; row < 40; row++) {
      const steps = lengths![row]!;
      const text = listOpsText(inputs.subarray(row * length, row * length + steps));
      answers.push(targets[row * length + steps - 1]!);
      expect(answers.at(-1), text).toBe(evaluate(text));
      expect([...targets.subarray(row * length, (row + 1) * length)].filter((target) => target >= 0)).toHaveLength(1);
      expect(steps).toBeGreaterThan(20);
      expect(steps).toBeLessThan(201);
      const depths = [...text].reduce(({ depth, deepest }, sign) => { const now = depth + (sign === '[' ? 1 : sign === ']' ? -1 : 0); return { depth: now, deepest: Math.max(deepest, now) }; }, { depth: 0, deepest: 0 });
      expect(depths.depth).toBe(0);
      expect(depths.deepest).toBeLessThanOrEqual(4);
    }
    expect(new Set(answers).size).toBeGreaterThan(6);
  });

  test('ListOps of full size keeps the published lengths', () => {
    for (let index = 0; index < 3; index++) {
      const { tokens } = listOpsExample(random.split('full').split(index), LIST_OPS_FULL);
      expect(tokens.length).toBeGreaterThan(500);
      expect(tokens.length).toBeLessThan(2000);
    }
  });

  test('one seed gives one batch, another another', () => {
    const batch = (seed: number): number[] => [...listOpsBatch(Random.fromSeed(seed), 4, LIST_OPS_SHORT).inputs];
    expect(batch(1)).toEqual(batch(1));
    expect(batch(1)).not.toEqual(batch(2));
  });
});

describe('sequential MNIST', () => {
  test('reads the published files pixel by pixel, and refuses others', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mamba360-mnist-'));
    try {
      await expect(sequentialMnistTask({ data: folder })).rejects.toThrow(FileError);
      mkdirSync(join(folder, 'vision/mnist'), { recursive: true });
      const header = (...sizes: number[]): Buffer => { const bytes = Buffer.alloc(4 + 4 * sizes.length); bytes.writeUInt32BE(0x0800 + sizes.length); sizes.forEach((size, axis) => bytes.writeUInt32BE(size, 4 + 4 * axis)); return bytes; };
      const count = 5003;
      const pixels = Buffer.from(Uint8Array.from({ length: count * 784 }, (_, index) => (Math.floor(index / 784) * 7 + index) % 256));
      for (const name of ['train', 't10k']) {
        writeFileSync(join(folder, `vision/mnist/${name}-images-idx3-ubyte.gz`), gzipSync(Buffer.concat([header(count, 28, 28), pixels])));
        writeFileSync(join(folder, `vision/mnist/${name}-labels-idx1-ubyte.gz`), gzipSync(Buffer.concat([header(count), Buffer.from(Uint8Array.from({ length: count }, (_, index) => index % 10))])));
      }
      const task = await sequentialMnistTask({ data: folder });
      const last = await task.tests[0]!.batch(50);
      expect([task.tests[0]!.batches, last.batch, last.length]).toEqual([51, 3, 784]);
      expect([...last.targets]).toEqual([0, 1, 2]);
      expect(last.inputs[784 + 5]).toBeCloseTo(pixels[5001 * 784 + 5]! / 127.5 - 1, 6);
      // Training digits are the first three; validation has the others.
      expect(Math.max(...(await task.train(Random.fromSeed(1), 0, 60)).targets)).toBe(2);
      const permuted = await (await sequentialMnistTask({ data: folder, permuted: true })).tests[0]!.batch(50);
      const sorted = (batch: TaskBatch): number[] => [...batch.inputs.subarray(0, 784)].sort((a, b) => a - b);
      expect(sorted(permuted)).toEqual(sorted(last));
      expect([...permuted.inputs.subarray(0, 784)]).not.toEqual([...last.inputs.subarray(0, 784)]);
      writeFileSync(join(folder, 'vision/mnist/train-labels-idx1-ubyte.gz'), gzipSync(Buffer.concat([header(9), Buffer.alloc(8)])));
      await expect(sequentialMnistTask({ data: folder })).rejects.toThrow('holds 8 bytes, expected 9');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
