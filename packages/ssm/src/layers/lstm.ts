import type { Tensor } from '@tensorflow/tfjs';
import { createParameters } from './parameters.ts';
import type { Parameters } from './parameters.ts';
import { recurrentConfig, recurrentParameters } from './recurrent-config.ts';
import type { RecurrentConfig } from './recurrent-config.ts';
import { Recurrent } from './recurrent.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { StateSpec } from './state.ts';

/** `hidden` and `cell`, [B, units] each. */
export type LstmState = { readonly hidden: Tensor; readonly cell: Tensor };

/**
 * Long short-term memory: c = sigmoid(f) c + sigmoid(i) tanh(g);  h = sigmoid(o) tanh(c), gates i, f, g, o = x W + h R + b. Our fused kernel.
 *
 * @remarks The forget gate's bias starts at 1, the others at 0. With `heads` > 1 the recurrent matrix is block-diagonal.
 * @see Hochreiter and Schmidhuber 1997, doi 10.1162/neco.1997.9.8.1735; Jozefowicz et al. 2015 for the bias.
 */
export class Lstm extends Recurrent<LstmState> {
  static readonly kind = 'lstm';
  readonly kind = Lstm.kind;

  constructor(config: { dModel: number } & Partial<RecurrentConfig>, parameters: Parameters) {
    super(recurrentConfig('LSTM', config), parameters);
  }

  static create(config: { dModel: number } & Partial<RecurrentConfig>, options: SeedOptions = {}): Lstm {
    const complete = recurrentConfig('LSTM', config);
    return new Lstm(complete, createParameters(lstmParameters(complete), seededRandom(options)));
  }

  stateSpec(batch: number): StateSpec {
    return { hidden: [batch, this.config.units], cell: [batch, this.config.units] };
  }
}

export function lstmParameters(config: RecurrentConfig): ReturnType<typeof recurrentParameters> {
  return recurrentParameters(config, 4, ([count]) => new Float32Array(count).fill(1, count / 4, count / 2), false);
}
