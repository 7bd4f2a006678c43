import type { Tensor } from '@tensorflow/tfjs';
import { constant } from '../random/index.ts';
import { createParameters } from './parameters.ts';
import type { Parameters } from './parameters.ts';
import { recurrentConfig, recurrentParameters } from './recurrent-config.ts';
import type { RecurrentConfig } from './recurrent-config.ts';
import { Recurrent } from './recurrent.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { StateSpec } from './state.ts';

/** `hidden` [B, units]. */
export type RnnState = { readonly hidden: Tensor };

/**
 * Simple recurrent network: h = tanh(x W + h R + b). Our fused kernel.
 *
 * @remarks First values as in Keras: Glorot for W, orthogonal blocks for R, b = 0.
 * @see Elman 1990, "Finding structure in time".
 * @example
 * const { output } = Rnn.create({ dModel: 64 }).apply(tf.zeros([2, 100, 64]));   // [2, 100, 64]
 */
export class Rnn extends Recurrent<RnnState> {
  static readonly kind = 'rnn';
  readonly kind = Rnn.kind;

  constructor(config: { dModel: number } & Partial<RecurrentConfig>, parameters: Parameters) {
    super(recurrentConfig('RNN', config), parameters);
  }

  static create(config: { dModel: number } & Partial<RecurrentConfig>, options: SeedOptions = {}): Rnn {
    const complete = recurrentConfig('RNN', config);
    return new Rnn(complete, createParameters(rnnParameters(complete), seededRandom(options)));
  }

  stateSpec(batch: number): StateSpec {
    return { hidden: [batch, this.config.units] };
  }
}

export function rnnParameters(config: RecurrentConfig): ReturnType<typeof recurrentParameters> {
  return recurrentParameters(config, 1, constant(0), false);
}
