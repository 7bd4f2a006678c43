import type { Tensor, Tensor2D } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ShapeError } from '../errors/index.ts';

/**
 * y = x W^T + b over the last axis, with the weight as published checkpoints hold it.
 *
 * @param x - [..., D].
 * @param weight - [M, D].
 * @param bias - [M], optional.
 * @returns [..., M]; the caller disposes it.
 * @throws ShapeError if the last axis of x is not D.
 * @remarks One matrix product over all rows: tfjs' gradient of a batched product with one shared side throws.
 */
export function affine(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const [outputs, inputs] = weight.shape;
  if (x.shape.at(-1) !== inputs) throw new ShapeError(`affine: x has shape [${x.shape}], expected a last axis of ${inputs}, the inputs of the weight [${weight.shape}] ([outputs, inputs]).`);
  return tf.tidy(() => {
    const rows = tf.reshape(x, [x.size / inputs, inputs]) as Tensor2D;
    const product = tf.matMul(rows, weight as Tensor2D, false, true);
    // Not tf.fused.matMul: with transposeB, tfjs' wasm backend adds the bias to the first row only and garbage to the others (4.22).
    return tf.reshape(bias ? tf.add(product, bias) : product, [...x.shape.slice(0, -1), outputs]);
  });
}
