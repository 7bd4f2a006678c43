import * as tf from '@tensorflow/tfjs';
import type { Scalar, Tensor } from '@tensorflow/tfjs';
import type { ForecasterConfig } from './forecaster-options.ts';

/**
 * Mean loss over the known targets of a batch.
 *
 * @param output - [B, H, C, outputs] in normalised units.
 * @param target - [B, H, C].
 * @param weight - [B, H, C]; an error counts multiplied by it, and not at all where it is 0.
 */
export function forecastLoss(output: Tensor, target: Tensor, weight: Tensor, config: ForecasterConfig): Scalar {
  return tf.tidy(() => {
    const error = tf.mul(tf.sub(tf.expandDims(target, 3), output), tf.expandDims(weight, 3)); // [B, H, C, outputs]
    const known = tf.maximum(tf.sum(tf.cast(tf.greater(weight, 0), 'float32')), 1);
    return tf.div(tf.sum(elementLoss(error, config)), tf.mul(known, output.shape[3]!)) as Scalar;
  });
}

function elementLoss(error: Tensor, config: ForecasterConfig): Tensor {
  if (config.loss === 'mse') return tf.square(error);
  if (config.loss === 'mae') return tf.abs(error);
  if (config.loss === 'huber') {
    // Quadratic up to 1, then linear: r^2 / 2 with r clipped, plus the rest.
    const clipped = tf.clipByValue(tf.abs(error), 0, 1);
    return tf.add(tf.mul(0.5, tf.square(clipped)), tf.sub(tf.abs(error), clipped));
  }
  const levels = tf.tensor1d([...config.quantiles]);
  return tf.maximum(tf.mul(levels, error), tf.mul(tf.sub(levels, 1), error));
}
