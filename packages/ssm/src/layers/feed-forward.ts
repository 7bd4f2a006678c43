import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import { mixtureOfExperts } from '../ops/index.ts';
import type { MixtureOfExpertsResult } from '../ops/index.ts';
import { constant, fanInUniform, normal } from '../random/index.ts';
import { affine } from './affine.ts';
import { createParameters, disposeParameters } from './parameters.ts';
import type { Parameters } from './parameters.ts';
import type { PointwiseLayer } from './pointwise.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';

/** y = W2 gelu(W1 x + b1) + b2, gelu in its tanh form (Hendrycks and Gimpel 2016, arXiv 1606.08415): the feed-forward part of a Transformer. */
export class FeedForward implements PointwiseLayer {
  readonly parameters: Parameters;

  constructor(parameters: Parameters) { this.parameters = parameters; }

  static create(config: { dModel: number; hidden: number }, options: SeedOptions = {}): FeedForward {
    const { dModel, hidden } = config;
    return new FeedForward(createParameters({
      'fc1.weight': { shape: [hidden, dModel], initialise: fanInUniform() }, 'fc1.bias': { shape: [hidden], initialise: constant(0) },
      'fc2.weight': { shape: [dModel, hidden], initialise: fanInUniform() }, 'fc2.bias': { shape: [dModel], initialise: constant(0) },
    }, seededRandom(options)));
  }

  apply(x: Tensor): Tensor {
    return tf.tidy(() => {
      const hidden = affine(x, this.parameters['fc1.weight'], this.parameters['fc1.bias']);
      const bent = tf.tanh(tf.mul(Math.sqrt(2 / Math.PI), tf.add(hidden, tf.mul(0.044715, tf.mul(hidden, tf.square(hidden))))));
      return affine(tf.mul(tf.mul(0.5, hidden), tf.add(1, bent)), this.parameters['fc2.weight'], this.parameters['fc2.bias']);
    });
  }
  dispose(): void { disposeParameters(this.parameters); }
}

export interface ExpertsConfig {
  readonly dModel: number;
  /** Width F inside an expert. */
  readonly hidden: number;
  /** Default 8. */
  readonly numExperts?: number;
  /** Experts for each step. Default 1. */
  readonly topK?: number;
  /** Default 'swiglu'. */
  readonly activation?: 'swiglu' | 'gelu' | 'relu';
  /** Divide the chosen probabilities by their sum. Default: topK > 1. */
  readonly normalise?: boolean;
}

/**
 * A feed-forward layer of which each step uses the topK best of numExperts: y = sum of g_e W2_e act(W1_e x), g = softmax(router x). Nothing is dropped and a step's experts depend
 * on the step alone, so the layers around it keep the law of state.
 *
 * @remarks First values: the router normal with deviation .02, experts as linear layers.
 * @see Fedus et al. 2021 (Switch), arXiv 2101.03961; Jiang et al. 2024 (Mixtral), arXiv 2401.04088.
 * @example
 * const { output, balanceLoss } = Experts.create({ dModel: 64, hidden: 128 }).route(tf.zeros([2, 100, 64]));   // [2, 100, 64], a scalar
 */
export class Experts implements PointwiseLayer {
  readonly config: Required<ExpertsConfig>;
  readonly parameters: Parameters;

  constructor(config: ExpertsConfig, parameters: Parameters) {
    this.config = expertsConfig(config);
    this.parameters = parameters;
  }

  static create(config: ExpertsConfig, options: SeedOptions = {}): Experts {
    const { dModel, hidden, numExperts, activation } = expertsConfig(config);
    const rows = activation === 'swiglu' ? 2 * hidden : hidden;
    return new Experts(config, createParameters({
      'router.weight': { shape: [numExperts, dModel], initialise: normal(0.02) },
      'experts.fc1.weight': { shape: [numExperts, rows, dModel], initialise: fanInUniform(dModel) },
      'experts.fc2.weight': { shape: [numExperts, dModel, hidden], initialise: fanInUniform(hidden) },
    }, seededRandom(options)));
  }

  apply(x: Tensor): Tensor { return tf.tidy(() => this.route(x).output); }

  /** The output with the losses that training adds. @param counted - [...], not 0 where the step counts in the losses. */
  route(x: Tensor, counted?: Tensor): MixtureOfExpertsResult {
    const { topK, activation, normalise } = this.config;
    const weights = { router: this.parameters['router.weight'], first: this.parameters['experts.fc1.weight'], second: this.parameters['experts.fc2.weight'] };
    return mixtureOfExperts(x, weights, { topK, activation, normalise, ...(counted && { counted }) });
  }
  dispose(): void { disposeParameters(this.parameters); }
}

function expertsConfig(given: ExpertsConfig): Required<ExpertsConfig> {
  const { numExperts = 8, topK = 1, activation = 'swiglu' } = given;
  for (const [key, value] of Object.entries({ dModel: given.dModel, hidden: given.hidden, numExperts, topK })) {
    if (!Number.isSafeInteger(value) || value < 1) throw new ConfigError(`experts: ${key} is ${value}, expected a whole number of at least 1.`);
  }
  if (topK > numExperts) throw new ConfigError(`experts: topK is ${topK}, expected at most ${numExperts}, the number of experts.`);
  return { dModel: given.dModel, hidden: given.hidden, numExperts, topK, activation, normalise: given.normalise ?? topK > 1 };
}
