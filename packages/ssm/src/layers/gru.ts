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
export type GruState = { readonly hidden: Tensor };

/**
 * Gated recurrent unit: r, z = sigmoid(x W + h R + b);  n = tanh(x W_n + r * (h R_n + b_n));  h = (1 - z) n + z h. Our fused kernel.
 *
 * @remarks The reset gate acts after the recurrent product, as in PyTorch, cuDNN and Keras' `resetAfter`.
 * @see Cho et al. 2014, arXiv 1406.1078.
 */
export class Gru extends Recurrent<GruState> {
  static readonly kind = 'gru';
  readonly kind = Gru.kind;

  constructor(config: { dModel: number } & Partial<RecurrentConfig>, parameters: Parameters) {
    super(recurrentConfig('GRU', config), parameters);
  }

  static create(config: { dModel: number } & Partial<RecurrentConfig>, options: SeedOptions = {}): Gru {
    const complete = recurrentConfig('GRU', config);
    return new Gru(complete, createParameters(gruParameters(complete), seededRandom(options)));
  }

  stateSpec(batch: number): StateSpec {
    return { hidden: [batch, this.config.units] };
  }
}

export function gruParameters(config: RecurrentConfig): ReturnType<typeof recurrentParameters> {
  return recurrentParameters(config, 3, constant(0), true);
}
