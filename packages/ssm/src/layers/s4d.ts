import type { Tensor } from '@tensorflow/tfjs';
import { ConfigError } from '../errors/index.ts';
import { createSystemCache, POSITIVE_TRANSFORMS, s4dKernel, s4dScan } from '../ops/index.ts';
import type { PositiveTransform, S4dParameters, SystemOptions } from '../ops/index.ts';
import { camelKeys } from './mamba-config.ts';
import { assignParameters, createParameters } from './parameters.ts';
import type { Parameters, ParameterSpecs, WeightSource } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import { checkStateSpaceConfig, STATE_SPACE_DEFAULTS, StateSpaceLayer, surroundingParameters, wholeNumber } from './state-space-layer.ts';
import type { StateSpaceConfig } from './state-space-layer.ts';
import { complexNormal, firstSystems, logUniformSteps, systemInitialisers } from './state-space-parameters.ts';

/** Keys of the published configurations in camelCase. */
export interface S4dConfig extends StateSpaceConfig {
  /** State size N; half of the modes are kept, one of each conjugate pair. Even. Default 64. */
  readonly dState: number;
  /** First A and B: 'diag-lin', 'diag-inv', 'diag-inv2', 'diag-quad', 'diag-real', 'diag-legs', or 'diag' (half inv, half lin). Default 'diag-lin'. */
  readonly init: string;
  /** Default 'zoh'. */
  readonly disc: 'zoh' | 'bilinear';
  /** First steps are log-uniform in [dtMin, dtMax]. Default .001 and .1. */
  readonly dtMin: number;
  readonly dtMax: number;
  /** One step for all modes of a channel. Default true. */
  readonly dtTie: boolean;
  readonly dtTransform: PositiveTransform;
  readonly realTransform: PositiveTransform;
  readonly imagTransform: PositiveTransform;
  /** Copies of A and B that the channels share cyclically; must divide dModel. Default dModel. */
  readonly nSsm: number;
}

export type GivenS4dConfig = { dModel: number } & Partial<S4dConfig>;

const DEFAULTS = {
  ...STATE_SPACE_DEFAULTS, dState: 64, init: 'diag-lin', disc: 'zoh', dtMin: 0.001, dtMax: 0.1, dtTie: true, dtTransform: 'exp', realTransform: 'exp', imagTransform: 'none', nSsm: 0,
} as const;

export const S4D_KEYS = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[];

/** What S4 and S4D check alike. */
export function checkSpectrumConfig(what: string, config: Pick<S4dConfig, 'dModel' | 'dState' | 'nSsm' | 'dtMin' | 'dtMax' | 'dtTransform' | 'realTransform' | 'imagTransform'>): void {
  wholeNumber(what, 'dState', config.dState, 2);
  if (config.dState % 2) throw new ConfigError(`${what}: dState is ${config.dState}, expected an even number (conjugate pairs).`);
  if (!Number.isSafeInteger(config.nSsm) || config.nSsm < 1 || config.dModel % config.nSsm) throw new ConfigError(`${what}: nSsm is ${config.nSsm}, expected a divisor of dModel ${config.dModel}.`);
  if (!(config.dtMin > 0 && config.dtMin <= config.dtMax)) throw new ConfigError(`${what}: dtMin is ${config.dtMin} and dtMax ${config.dtMax}, expected 0 < dtMin <= dtMax.`);
  for (const key of ['dtTransform', 'realTransform', 'imagTransform'] as const) {
    if (!POSITIVE_TRANSFORMS.includes(config[key])) throw new ConfigError(`${what}: ${key} is ${JSON.stringify(config[key])}, expected one of ${POSITIVE_TRANSFORMS.join(', ')}.`);
  }
}

/** Fills in the defaults and checks every value. Throws ConfigError naming the key. */
export function s4dConfig(given: GivenS4dConfig): S4dConfig {
  const known = Object.fromEntries(Object.entries(given).filter(([key, value]) => value !== undefined && key !== 'layer'));
  const config = { ...DEFAULTS, ...known, nSsm: (given.nSsm ?? 0) || given.dModel } as S4dConfig;
  checkStateSpaceConfig('S4D', config, DEFAULTS, given);
  checkSpectrumConfig('S4D', config);
  if (config.disc !== 'zoh' && config.disc !== 'bilinear') throw new ConfigError(`S4D: disc is ${JSON.stringify(config.disc)}, expected 'zoh' or 'bilinear'. The kernel of 'dss' depends on its length: use s4dKernel.`);
  return config;
}

const NAMES = { skip: 'layer.D', weight: 'output_linear.0.weight', bias: 'output_linear.0.bias' } as const;

/** Parameters by the official block's names, with the published first values. */
export function s4dParameters(config: S4dConfig): ParameterSpecs {
  const { dModel, dState, channels, nSsm, dtTie } = config, modes = dState / 2;
  const first = systemInitialisers(firstSystems('S4D', config.init, dState, nSsm, 1), config, 0);
  return {
    ...surroundingParameters(config, NAMES, [config.finalAct === 'glu' ? 2 * dModel : dModel]),
    'layer.kernel.inv_dt': { shape: [dModel, dtTie ? 1 : modes], initialise: logUniformSteps(config.dtMin, config.dtMax, config.dtTransform) },
    'layer.kernel.C': { shape: [channels, dModel, modes, 2], initialise: complexNormal },
    'layer.kernel.B': { shape: [1, nSsm, modes, 2], initialise: first.B },
    'layer.kernel.A_real': { shape: [nSsm, modes], initialise: first.real },
    'layer.kernel.A_imag': { shape: [nSsm, modes], initialise: first.imag },
  };
}

/**
 * S4D: for each channel x[t] = A' x[t-1] + B' u[t], y[t] = 2 Re(C x[t]) + D u[t] with a diagonal complex A' = e^(dt A); then GELU and a gated linear map.
 *
 * @remarks Parameters have the names and shapes of the official block. Run as a recurrence in double precision, O(L H N), with a state of [B, H, N/2] complex numbers;
 * the same map as convolving with `kernel(L)`. Real parts of A stay negative by their transform.
 * @see Gu et al. 2022, arXiv 2206.11893. Official: state-spaces/s4, s4block.py with mode 'diag'.
 * @example
 * const layer = S4d.create({ dModel: 64 }, { seed: 1 });
 * const { output, state } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64] and { re, im } [2, 64, 32]
 */
export class S4d extends StateSpaceLayer<S4dConfig> {
  static readonly kind = 's4d';
  readonly kind = S4d.kind;
  readonly #cache = createSystemCache();

  /** @param parameters - Variables by the names of `s4dParameters(config)`; the layer owns them from now on. */
  constructor(config: GivenS4dConfig, parameters: Parameters) {
    super(s4dConfig(config), parameters, NAMES);
  }

  /** A layer with the published first values. */
  static create(config: GivenS4dConfig, options: SeedOptions = {}): S4d {
    const complete = s4dConfig(config);
    return new S4d(complete, createParameters(s4dParameters(complete), seededRandom(options)));
  }

  /** A layer with given weights by official names. @param config - Official keys, `d_state` or `dState`. */
  static fromOfficial(weights: WeightSource, config: { readonly [key: string]: unknown }): S4d {
    const layer = S4d.create(camelKeys(config) as GivenS4dConfig);
    try {
      assignParameters(layer.parameters, weights, { what: 'S4d.fromOfficial' });
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  /** The convolution kernel [C, H, length] of the system, without the skip. The caller disposes it. */
  kernel(length: number): Tensor {
    return s4dKernel(this.#system(), length, this.#options());
  }

  protected get modes(): number { return this.config.dState / 2; }

  protected run(u: Tensor, options: SystemOptions) {
    return s4dScan(u, this.#system(), this.#options(), { ...options, cache: this.#cache });
  }

  #system(): S4dParameters {
    const p = this.parameters;
    return { invDt: p['layer.kernel.inv_dt'], ARe: p['layer.kernel.A_real'], AIm: p['layer.kernel.A_imag'], B: p['layer.kernel.B'], C: p['layer.kernel.C'] };
  }

  #options() {
    const { disc, dtTransform, realTransform, imagTransform } = this.config;
    return { discretisation: disc, dtTransform, realTransform, imagTransform };
  }
}
