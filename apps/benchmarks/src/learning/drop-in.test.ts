import * as tf from '@tensorflow/tfjs';
import { useBackend } from '@mamba360/ssm/backend';
import { layers } from '@mamba360/ssm';
import { Random } from '@mamba360/ssm/random';
import { beforeAll, describe, expect, test } from 'vitest';
import { copyBatch, dropIn, twinFamilies } from './drop-in.ts';

beforeAll(async () => { await useBackend('cpu'); });

describe('drop-in', () => {
  test('covers every family of ssm.layers and nothing else', () => {
    const families = twinFamilies();
    expect(families).toEqual(expect.arrayContaining(['gru', 'lstm', 'mamba']));
    expect(families).not.toContain('register');
    const makers = layers as unknown as Record<string, (args: { units: number }) => unknown>;
    for (const name of families) expect(makers[name]!({ units: 16 }), name).toBeInstanceOf(tf.layers.Layer);
  });

  test('asks for the symbol of step 0 at every later step, up to lag 32', () => {
    const { x, y } = copyBatch(Random.fromSeed(1), 3);
    expect([x.shape, y.shape]).toEqual([[3, 33, 9], [3, 33, 8]]);
    const [first, rest] = tf.split(x, [1, 32], 1);
    const symbols = tf.argMax(tf.slice(first!, [0, 0, 0], [3, 1, 8]), -1).dataSync();
    expect(tf.sum(tf.abs(tf.slice(rest!, [0, 0, 0], [3, 32, 8]))).dataSync()[0]).toBe(0);
    for (let row = 0; row < 3; row++) {
      const answers = tf.slice(y, [row, 0, 0], [1, 33, 8]);
      expect(tf.sum(tf.slice(answers, [0, 0, 0], [1, 1, 8])).dataSync()[0]).toBe(0);
      expect([...tf.argMax(tf.slice(answers, [0, 1, 0], [1, 32, 8]), -1).dataSync()]).toEqual(Array.from({ length: 32 }, () => symbols[row]));
    }
  });

  test('finds that a layer learned, and that it came back the same', async () => {
    const rows = await dropIn({ families: ['gru'], steps: 60, reference: false });
    expect(rows.map(({ layer }) => layer)).toEqual(['gru']);
    for (const row of rows) expect(row).toMatchObject({ learned: true, reloadedEqual: true });
    expect(rows[0]!.identityLoss).toBeGreaterThan(2);
  });
});
