import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { rmsNorm } from '../ops/index.ts';
import { constant, fanInUniform, normal } from '../random/index.ts';
import { affine } from './affine.ts';
import { createParameters, disposeParameters } from './parameters.ts';
import type { Parameters } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';

/** A layer that treats every step alike and remembers nothing. */
export interface PointwiseLayer {
  readonly parameters: Parameters;
  /** @param x - [..., inputs]. @returns [..., outputs]; the caller disposes it. */
  apply(x: Tensor): Tensor;
  dispose(): void;
}

/** y = x W^T + b. Weight [outputs, inputs], first values uniform in +-1/sqrt(inputs). */
export class Linear implements PointwiseLayer {
  readonly parameters: Parameters;

  constructor(parameters: Parameters) { this.parameters = parameters; }

  static create(config: { inputs: number; outputs: number; bias?: boolean }, options: SeedOptions = {}): Linear {
    const { inputs, outputs, bias = true } = config;
    return new Linear(createParameters({
      weight: { shape: [outputs, inputs], initialise: fanInUniform() },
      ...(bias ? { bias: { shape: [outputs], initialise: constant(0) } } : {}),
    }, seededRandom(options)));
  }

  apply(x: Tensor): Tensor { return affine(x, this.parameters.weight, this.parameters.bias); }
  dispose(): void { disposeParameters(this.parameters); }
}

/** y = x / sqrt(mean(x^2) + epsilon) * weight over the last axis. Zhang and Sennrich 2019, arXiv 1910.07467. */
export class RmsNorm implements PointwiseLayer {
  readonly parameters: Parameters;
  readonly epsilon: number;

  constructor(parameters: Parameters, epsilon = 1e-5) {
    this.parameters = parameters;
    this.epsilon = epsilon;
  }

  static create(config: { size: number; epsilon?: number }, options: SeedOptions = {}): RmsNorm {
    return new RmsNorm(createParameters({ weight: { shape: [config.size], initialise: constant(1) } }, seededRandom(options)), config.epsilon);
  }

  apply(x: Tensor): Tensor { return rmsNorm(x, this.parameters.weight, { epsilon: this.epsilon }); }
  dispose(): void { disposeParameters(this.parameters); }
}

/** y = (x - mean) / sqrt(variance + epsilon) * weight + bias over the last axis. Ba et al. 2016, arXiv 1607.06450. */
export class LayerNorm implements PointwiseLayer {
  readonly parameters: Parameters;
  readonly epsilon: number;

  constructor(parameters: Parameters, epsilon = 1e-5) {
    this.parameters = parameters;
    this.epsilon = epsilon;
  }

  static create(config: { size: number; epsilon?: number }, options: SeedOptions = {}): LayerNorm {
    return new LayerNorm(createParameters({
      weight: { shape: [config.size], initialise: constant(1) }, bias: { shape: [config.size], initialise: constant(0) },
    }, seededRandom(options)), config.epsilon);
  }

  apply(x: Tensor): Tensor {
    return tf.tidy(() => {
      const centred = tf.sub(x, tf.mean(x, -1, true));
      const deviation = tf.sqrt(tf.add(tf.mean(tf.square(centred), -1, true), this.epsilon));
      return tf.add(tf.mul(tf.div(centred, deviation), this.parameters.weight), this.parameters.bias);
    });
  }
  dispose(): void { disposeParameters(this.parameters); }
}

/** Rows of a table by number: ids [...] int32 -> [..., D]. First values normal with deviation .02, as published. */
export class Embedding implements PointwiseLayer {
  readonly parameters: Parameters;

  constructor(parameters: Parameters) { this.parameters = parameters; }

  static create(config: { vocabSize: number; dModel: number }, options: SeedOptions = {}): Embedding {
    return new Embedding(createParameters({ weight: { shape: [config.vocabSize, config.dModel], initialise: normal(0.02) } }, seededRandom(options)));
  }

  apply(ids: Tensor): Tensor { return tf.gather(this.parameters.weight, tf.cast(ids, 'int32')); }
  dispose(): void { disposeParameters(this.parameters); }
}

/**
 * y = (a * silu(b)) W2, where a and b are the halves of x W1.
 *
 * @see state-spaces/mamba, mamba_ssm/modules/mlp.py, `GatedMLP`: names fc1 and fc2, value first, gate second.
 */
export class GatedMlp implements PointwiseLayer {
  readonly parameters: Parameters;

  constructor(parameters: Parameters) { this.parameters = parameters; }

  static create(config: { dModel: number; hidden: number; bias?: boolean }, options: SeedOptions = {}): GatedMlp {
    const { dModel, hidden, bias = false } = config;
    return new GatedMlp(createParameters({
      'fc1.weight': { shape: [2 * hidden, dModel], initialise: fanInUniform() },
      'fc2.weight': { shape: [dModel, hidden], initialise: fanInUniform() },
      ...(bias ? { 'fc1.bias': { shape: [2 * hidden], initialise: constant(0) }, 'fc2.bias': { shape: [dModel], initialise: constant(0) } } : {}),
    }, seededRandom(options)));
  }

  apply(x: Tensor): Tensor {
    return tf.tidy(() => {
      const [value, gate] = tf.split(affine(x, this.parameters['fc1.weight'], this.parameters['fc1.bias']), 2, -1);
      return affine(tf.mul(value, tf.mul(gate, tf.sigmoid(gate))), this.parameters['fc2.weight'], this.parameters['fc2.bias']);
    });
  }
  dispose(): void { disposeParameters(this.parameters); }
}
