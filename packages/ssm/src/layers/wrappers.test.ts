import type { Tensor } from '@tensorflow/tfjs';
import { backendMatrix, expectTensorClose } from '@mamba360/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../backend/index.ts';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError, ShapeError, StateError } from '../errors/index.ts';
import { Random } from '../random/index.ts';
import { Attention, Bidirectional, Gru, Mamba, MultiDirectional, SCAN_ORDERS } from './index.ts';

const backends = await backendMatrix(useBackend);
const noise = (shape: number[], seed = 1): Tensor => tf.tensor(Random.fromSeed(seed).normal(shape.reduce((a, b) => a * b, 1)), shape);
const mamba = (seed: number): Mamba => Mamba.create({ dModel: 4, dState: 4 }, { seed });
const gru = (seed: number): Gru => Gru.create({ dModel: 4 }, { seed });

describe.each(backends)('wrappers without a state on %s', (backend) => {
  beforeAll(async () => { await useBackend(backend); });

  it('bidirectional: with the layers exchanged, the reversed input gives the reversed output', () => {
    tf.tidy(() => {
      const x = noise([2, 7, 4]);
      const [a, b] = [mamba(1), gru(2)];
      for (const mode of ['add', 'concatenate'] as const) {
        const expected = tf.reverse(new Bidirectional(mode, a, b).apply(x).output, 1);
        const exchanged = new Bidirectional(mode, b, a).apply(tf.reverse(x, 1)).output;
        expectTensorClose(mode === 'add' ? exchanged : tf.concat(tf.split(exchanged, 2, -1).toReversed(), -1), expected, { kind: 'output' });
      }
      a.dispose();
      b.dispose();
    });
  });

  it('bidirectional: reverse-complement is equivariant with one set of weights, and sees both sides', () => {
    using layer = new Bidirectional('reverse-complement', mamba(3));
    tf.tidy(() => {
      const x = noise([2, 6, 4]);
      const { output } = layer.apply(x);
      expectTensorClose(layer.apply(tf.reverse(x, [1, 2])).output, tf.reverse(output, [1, 2]), { kind: 'output' });
      const changed = layer.apply(tf.add(x, tf.tensor([0, 0, 0, 0, 0, 1], [1, 6, 1]))).output;
      expect(tf.max(tf.abs(tf.sub(tf.slice(changed, [0, 0, 0], [2, 1, 4]), tf.slice(output, [0, 0, 0], [2, 1, 4])))).dataSync()[0]).toBeGreaterThan(1e-6);
    });
  });

  it('bidirectional and both-sided attention: masked steps change nothing, segments do not see each other', () => {
    tf.tidy(() => {
      const layers = [new Bidirectional('add', mamba(4), gru(5)), Attention.create({ dModel: 4, numHeads: 2, causal: false }, { seed: 6 })];
      for (const layer of layers) {
        const [a, b] = [noise([1, 5, 4], 7), noise([1, 3, 4], 8)];
        const alone = [layer.apply(a).output, layer.apply(b).output] as const;
        const packed = layer.apply(tf.concat([a, b], 1), { segments: [[0, 0, 0, 0, 0, 1, 1, 1]] }).output;
        expectTensorClose(packed, tf.concat([...alone], 1), { kind: 'output' });
        const padded = layer.apply(tf.concat([tf.concat([a, tf.fill([1, 2, 4], 9)], 1), tf.concat([tf.fill([1, 4, 4], Number.NaN), b], 1)], 0), {
          mask: [[true, true, true, true, true, false, false], [false, false, false, false, true, true, true]],
        }).output;
        expectTensorClose(tf.slice(padded, [0, 0, 0], [1, 5, 4]), alone[0], { kind: 'output' });
        expectTensorClose(tf.slice(padded, [1, 4, 0], [1, 3, 4]), alone[1], { kind: 'output' });
        const byLength = layer.apply(tf.concat([a, tf.concat([b, tf.fill([1, 2, 4], 9)], 1)], 0), { lengths: [5, 3] }).output;
        expectTensorClose(tf.slice(byLength, [1, 0, 0], [1, 3, 4]), alone[1], { kind: 'output' });
        layer.dispose();
      }
    });
  });

  it('multi-directional: one layer for all orders commutes with turning the grid and with exchanging rows and columns', () => {
    using layer = new MultiDirectional({ width: 3 }, [mamba(9)]);
    using turned = new MultiDirectional({ width: 2 }, [mamba(9)]);
    tf.tidy(() => {
      const x = noise([2, 6, 4]); // 2 rows of 3
      const { output } = layer.apply(x);
      const exchange = (grid: Tensor): Tensor => tf.reshape(tf.transpose(tf.reshape(grid, [2, 2, 3, 4]), [0, 2, 1, 3]), [2, 6, 4]);
      expectTensorClose(layer.apply(tf.reverse(x, 1)).output, tf.reverse(output, 1), { kind: 'output' });
      expectTensorClose(turned.apply(exchange(x)).output, exchange(output), { kind: 'output' });
    });
  });

  it('multi-directional: with a layer for each order it is the sum of their scans, masked cells change nothing', () => {
    const layers = SCAN_ORDERS.map((_, index) => mamba(20 + index));
    using grid = new MultiDirectional({ width: 3 }, layers);
    tf.tidy(() => {
      const x = noise([1, 6, 4]);
      const order = [0, 3, 1, 4, 2, 5];
      const columns = tf.gather(x, tf.tensor1d(order, 'int32'), 1);
      const back = (y: Tensor): Tensor => tf.gather(y, tf.tensor1d([0, 2, 4, 1, 3, 5], 'int32'), 1);
      const run = (index: number, y: Tensor): Tensor => layers[index]!.apply(y).output;
      expectTensorClose(grid.apply(x).output, tf.addN([run(0, x), tf.reverse(run(1, tf.reverse(x, 1)), 1), back(run(2, columns)), back(tf.reverse(run(3, tf.reverse(columns, 1)), 1))]), { kind: 'output' });
      const mask = [[true, true, false, true, true, false]];
      const masked = grid.apply(x, { mask }).output;
      const other = grid.apply(tf.where(tf.tensor(mask[0]!.map(Number), [1, 6, 1]).toBool(), x, tf.fill([1, 6, 4], 5)), { mask }).output;
      const seen = tf.tensor1d([0, 1, 3, 4], 'int32');
      expectTensorClose(tf.gather(other, seen, 1), tf.gather(masked, seen, 1), { kind: 'output' });
    });
  });
});

it('wrappers say what is wrong', () => {
  using both = new Bidirectional('add', mamba(1), mamba(2));
  using grid = new MultiDirectional({ width: 3 }, [mamba(1)]);
  expect(() => both.step()).toThrow(StateError);
  expect(() => grid.step()).toThrow(StateError);
  expect(() => new Bidirectional('add', mamba(1))).toThrow(ConfigError);
  expect(() => new MultiDirectional({ width: 2, orders: ['rows'] }, [mamba(1), mamba(2)])).toThrow(ConfigError);
  expect(() => grid.apply(tf.zeros([1, 7, 4]))).toThrow(ShapeError);
  expect(() => both.apply(tf.zeros([1, 7, 4]), { segments: [[0, 0, 0, 1, 1, 1, 1]], previousSegments: [0] })).toThrow(ConfigError);
});
