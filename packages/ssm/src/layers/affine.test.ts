import { useBackend } from '../backend/index.ts';
import { tf } from '../backend/tensorflow.ts';
import { backendMatrix } from '@mamba360/testing';
import { describe, expect, it } from 'vitest';
import { affine } from './index.ts';

const backends = await backendMatrix(useBackend);

describe.each(backends)('affine on %s', (backend) => {
  it('adds the bias to every row, and sums its gradient over rows', async () => {
    await useBackend(backend);
    const x = tf.tensor([[[1, 2], [3, 4], [5, 6]]]);
    const weight = tf.tensor([[1, 0], [0, 1], [1, 1]]);
    const bias = tf.tensor([10, 20, 30]);
    expect([...affine(x, weight, bias).dataSync()]).toEqual([11, 22, 33, 13, 24, 37, 15, 26, 41]);
    const [dx, dWeight, dBias] = tf.grads((a, b, c) => tf.sum(affine(a, b, c)))([x, weight, bias]);
    expect([...dx.dataSync()]).toEqual([2, 2, 2, 2, 2, 2]);
    expect([...dWeight.dataSync()]).toEqual([9, 12, 9, 12, 9, 12]);
    expect([...dBias.dataSync()]).toEqual([3, 3, 3]);
  });
});
