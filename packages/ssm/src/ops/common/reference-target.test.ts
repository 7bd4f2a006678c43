import { expectTensorClose } from '@mamba360/testing';
import type { Tensor } from '@tensorflow/tfjs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { tf, useBackend } from '../../backend/index.ts';
import { KernelError } from '../../errors/index.ts';
import { SIGNATURES } from '../../kernels/index.ts';
import { causalConv1d, createReferenceTarget, nonlinearScan, registerOps, rmsNorm, selectiveScan } from '../index.ts';

/** Value and gradients of one call of every op that a compiled target also computes. */
function everyOp(): Tensor[] {
  const x = tf.tensor(Array.from({ length: 24 }, (_, i) => Math.sin(i)), [2, 3, 4]);
  const small = tf.tensor(Array.from({ length: 8 }, (_, i) => Math.cos(i)), [4, 2]);
  const losses: ((x: Tensor) => Tensor)[] = [
    (y) => selectiveScan(y, tf.abs(y), tf.neg(tf.abs(small)), small, small, { lengths: [3, 2], z: y }).output,
    (y) => selectiveScan(y, tf.abs(y), { re: tf.neg(tf.abs(small)), im: small }, small, { re: small, im: small }).output,
    (y) => causalConv1d(y, small, { activation: 'silu', segments: [[0, 1, 1], [0, 0, 0]] }).output,
    (y) => rmsNorm(y, tf.ones([4]), { z: y, groups: 2 }),
    (y) => nonlinearScan(y, tf.fill([1, 1, 4], 0.3), { kind: 'lstm' }).output,
    (y) => nonlinearScan(tf.slice(y, [0, 0, 0], [2, 3, 3]), tf.fill([1, 1, 3], 0.3), { kind: 'gru' }).output,
  ];
  return losses.flatMap((loss) => [loss(x), tf.grad((y: Tensor) => tf.sum(tf.square(loss(y))))(x)]);
}

let reference: Float32Array[] = [];
beforeAll(async () => {
  const { kernels } = await useBackend({ name: 'cpu', kernels: createReferenceTarget() });
  expect(kernels.target).toBe('reference');
  reference = tf.tidy(() => everyOp().map((tensor) => tensor.dataSync() as Float32Array));
});
afterAll(async () => { await useBackend('cpu'); });

it('gives what the compiled kernels give', async () => {
  expect((await useBackend('cpu')).kernels.target).not.toBe('reference');
  tf.tidy(() => everyOp().forEach((tensor, i) => expectTensorClose(tensor.dataSync(), reference[i]!, { kind: i % 2 === 0 ? 'output' : 'gradient', name: `result ${i}` })));
});

it('knows every kernel of the contract and refuses another', () => {
  const target = createReferenceTarget();
  expect(target.memory()).toEqual({ lastCallBytes: 0, highWaterBytes: 0, heapBytes: 0 });
  for (const kernel of Object.keys(SIGNATURES)) expect(() => target.run({ kernel, inputs: [], outputs: [], integers: [] }), kernel).toThrow('input');
  expect(() => target.run({ kernel: 'fly', inputs: [], outputs: [], integers: [] })).toThrow(KernelError);
  target.dispose();
});

it('registers every op any number of times', () => {
  registerOps();
  registerOps();
  for (const name of ['SelectiveScan', 'SelectiveScanComplex', 'CausalConv1d', 'RmsNorm', 'NonlinearScan']) {
    for (const backend of ['cpu', 'wasm', 'tensorflow']) {
      expect(tf.getKernel(`Mamba360${name}`, backend)).toBeDefined();
      expect(tf.getKernel(`Mamba360${name}Gradient`, backend)).toBeDefined();
    }
    expect(tf.getGradient(`Mamba360${name}`)).toBeDefined();
  }
  expect(tf.getKernel('Mamba360AdamW', 'cpu')).toBeDefined();
});
