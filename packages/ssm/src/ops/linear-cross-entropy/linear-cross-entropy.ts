import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { checkFloat, checkRank, checkShape, showShape } from '../common/check-shape.ts';
import { crossEntropy } from './kernel.ts';

export interface LinearCrossEntropyOptions {
  readonly bias?: Tensor | undefined;
  readonly ignoreIndex?: number | undefined;
  readonly reduction?: 'mean' | 'sum' | 'none' | undefined;
}

/**
 * Softmax cross-entropy behind a linear head, in one: loss[r] = log(sum over v of exp(logits[r, v])) - logits[r, target[r]], logits = x weight^T + bias.
 *
 * @param x - Hidden states. Shape [..., D].
 * @param weight - The head, outputs first, as the published checkpoints keep it (an embedding table when tied). Shape [V, D].
 * @param targets - int32, the right word of each row, 0 <= target < V, or `ignoreIndex`. Shape [...], as x without its last axis.
 * @param options.bias - Shape [V]. Default: none.
 * @param options.ignoreIndex - Target of rows that do not count: no loss, no gradient, whatever stands in x there. Default -100.
 * @param options.reduction - 'mean' over the rows that count (0 where none does), 'sum', or 'none': [...], 0 at ignored rows. Unit: nats. Default 'mean'.
 * @returns A scalar, or [...] with 'none'. The caller disposes it.
 * @throws ShapeError if any shape differs from the ones above.
 * @throws ConfigError if a dtype differs, a target is out of range or an option has no such value.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @throws GradientError if a gradient of its gradient is asked for.
 * @remarks Logits exist only in blocks of 64 rows by 64 words: memory O(R D + V D), never O(R V). Time O(R D V) forward, five products of that size with the gradient, which
 * computes the logits again. The loss of a row is the difference of double-precision terms over single-precision logits.
 * @example
 * linearCrossEntropy(tf.tensor([[1, 0]]), tf.tensor([[0, 0], [0, 5]]), tf.tensor([1], [1], 'int32')).arraySync(); // 0.6931...
 */
export function linearCrossEntropy(x: Tensor, weight: Tensor, targets: Tensor, options: LinearCrossEntropyOptions = {}): Tensor {
  const { bias, ignoreIndex = -100, reduction = 'mean' } = options;
  checkFloat('linearCrossEntropy', 'x', x);
  checkRank('linearCrossEntropy', 'weight', weight, 2, '[V, D]', 'Transpose a weight of shape [D, V].');
  const [vocabSize, inner] = weight.shape as [number, number];
  if (x.shape.length < 2 || x.shape.at(-1) !== inner) {
    throw new ShapeError(`linearCrossEntropy: x has shape ${showShape(x.shape)}, expected [..., ${inner}] ([..., D], D from weight ${showShape(weight.shape)}). Transpose the weight if it is [D, V].`);
  }
  const lead = x.shape.slice(0, -1);
  if (targets.shape.length !== lead.length || targets.shape.some((size, axis) => size !== lead[axis])) {
    throw new ShapeError(`linearCrossEntropy: targets has shape ${showShape(targets.shape)}, expected ${showShape(lead)} (x without its last axis). Give one word for each row of x.`);
  }
  if (targets.dtype !== 'int32') throw new ConfigError(`linearCrossEntropy: targets has dtype ${targets.dtype}, expected int32. Cast it with tf.cast(targets, 'int32').`);
  if (bias) checkShape('linearCrossEntropy', 'bias', bias, [vocabSize], '[V], V from weight', 'Give one bias for each word.');
  if (reduction !== 'mean' && reduction !== 'sum' && reduction !== 'none') {
    throw new ConfigError(`linearCrossEntropy: reduction is '${String(reduction)}', expected 'mean', 'sum' or 'none'. Set options.reduction.`);
  }
  const wanted = readTargets(targets, vocabSize, ignoreIndex);
  // tfjs' wasm backend sums nothing to whatever stands in its memory.
  if (wanted.length === 0) return reduction === 'none' ? tf.zeros(lead) : tf.scalar(0);
  return tf.tidy(() => {
    const rows = wanted.length;
    const [loss] = crossEntropy.run({ x: tf.reshape(x, [rows, inner]), weight, bias }, { rows, inner, vocabSize, targets: wanted }) as [Tensor];
    if (reduction === 'none') return tf.reshape(loss, lead);
    const counted = wanted.reduce((sum, target) => sum + (target >= 0 ? 1 : 0), 0);
    return reduction === 'sum' ? tf.sum(loss) : tf.div(tf.sum(loss), Math.max(1, counted));
  });
}

/** Targets with -1 for the ignored ones. */
function readTargets(targets: Tensor, vocabSize: number, ignoreIndex: number): Int32Array {
  return Int32Array.from(targets.dataSync(), (target, row) => {
    if (target === ignoreIndex) return -1;
    if (target < 0 || target >= vocabSize) {
      throw new ConfigError(`linearCrossEntropy: target ${row} is ${target}, expected 0 to ${vocabSize - 1} (V - 1) or ignoreIndex ${ignoreIndex}. Check that text and vocabulary belong together.`);
    }
    return target;
  });
}
