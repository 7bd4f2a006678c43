import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import type { NonlinearScanStepOptions } from '../ops/index.ts';
import { constant } from '../random/index.ts';
import { createParameters } from './parameters.ts';
import type { Parameters, ParameterSpecs } from './parameters.ts';
import { recurrentConfig, recurrentParameters } from './recurrent-config.ts';
import type { RecurrentConfig } from './recurrent-config.ts';
import { Recurrent } from './recurrent.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { StateSpec } from './state.ts';

export interface LtcConfig extends RecurrentConfig {
  /** Solver steps in each step. Default 6. */
  readonly unfolds: number;
  /** Length of a step in units of tau. Default 1. */
  readonly timeStep: number;
}

/** `hidden` [B, units]: the membrane potentials. */
export type LtcState = { readonly hidden: Tensor };

export function ltcConfig(given: { dModel: number } & Partial<LtcConfig>): LtcConfig {
  const { unfolds = 6, timeStep = 1, ...recurrent } = given;
  if (!Number.isSafeInteger(unfolds) || unfolds < 1) throw new ConfigError(`LTC: unfolds is ${unfolds}, expected a whole number of at least 1.`);
  if (!(timeStep > 0 && Number.isFinite(timeStep))) throw new ConfigError(`LTC: timeStep is ${timeStep}, expected a positive number.`);
  return { ...recurrentConfig('LTC', recurrent), unfolds, timeStep };
}

/**
 * Liquid time-constant network: dh/dt = -(1/tau + f) h + f A, f = sigmoid(x W + h R + b), by the authors' fused solver: `unfolds` times
 * h = (h + dt f A) / (1 + dt (1/tau + f)).
 *
 * @remarks 1/tau = softplus(`rate`). First values: 1/tau as leak / capacity of the authors' code (uniform .001 to 1 over uniform .4 to .6), A as their reversal potentials (-1 or 1). One
 * sigmoid for each neuron, as in the paper; their code has one for each synapse.
 * @see Hasani et al. 2021, arXiv 2006.04439, equation 1 and algorithm 1.
 * @example
 * const { output } = Ltc.create({ dModel: 64, units: 32 }).apply(tf.zeros([2, 100, 64]));   // [2, 100, 64]
 */
export class Ltc extends Recurrent<LtcState> {
  static readonly kind = 'ltc';
  readonly kind = Ltc.kind;
  declare readonly config: LtcConfig;

  constructor(config: { dModel: number } & Partial<LtcConfig>, parameters: Parameters) {
    super(ltcConfig(config), parameters);
  }

  static create(config: { dModel: number } & Partial<LtcConfig>, options: SeedOptions = {}): Ltc {
    const complete = ltcConfig(config);
    return new Ltc(complete, createParameters(ltcParameters(complete), seededRandom(options)));
  }

  stateSpec(batch: number): StateSpec {
    return { hidden: [batch, this.config.units] };
  }

  protected override cell(): NonlinearScanStepOptions {
    const { unfolds, timeStep } = this.config;
    return { kind: 'ltc', unfolds, timeStep, asymptote: this.parameters['asymptote'], rate: tf.softplus(this.parameters['rate']) };
  }
}

export function ltcParameters(config: LtcConfig): ParameterSpecs {
  return {
    ...recurrentParameters(config, 1, constant(0), false),
    asymptote: { shape: [config.units], initialise: ([count], random) => Float32Array.from({ length: count }, () => (random.next() < 0.5 ? -1 : 1)) },
    rate: {
      shape: [config.units],
      initialise: ([count], random) => Float32Array.from({ length: count }, () => {
        const rate = (0.001 + 0.999 * random.next()) / (0.4 + 0.2 * random.next());
        return rate + Math.log(-Math.expm1(-rate));
      }),
    },
  };
}
