import type { Tensor } from '@tensorflow/tfjs';
import { ConfigError } from '../errors/index.ts';
import { createSystemCache, s4CorrectedOutput, s4Kernel, s4Scan } from '../ops/index.ts';
import type { S4Parameters, SystemOptions } from '../ops/index.ts';
import { camelKeys } from './mamba-config.ts';
import { assignParameters, createParameters, setValues } from './parameters.ts';
import type { Parameters, ParameterSpecs, WeightSource } from './parameters.ts';
import { checkSpectrumConfig } from './s4d.ts';
import type { S4dConfig } from './s4d.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import { checkStateSpaceConfig, STATE_SPACE_DEFAULTS, StateSpaceLayer, surroundingParameters, wholeNumber } from './state-space-layer.ts';
import { complexNormal, firstSystems, logUniformSteps, systemInitialisers } from './state-space-parameters.ts';

/** Keys of the published configurations in camelCase; those of S4D, and the low rank. */
export interface S4Config extends Omit<S4dConfig, 'disc' | 'dtTie'> {
  /** 'legs', 'legt' (rank 2), 'lagt', 'fout', 'hippo' (half legs, half fout), or one of S4D's with a P of zeros. Default 'legs'. */
  readonly init: string;
  /** Rows of P, 1 to 4. Default 1. */
  readonly rank: number;
  /** Length L0 that the learnt C~ = C (I - A^L0) belongs to, in steps: of the longest training sequences. Default 1024. */
  readonly lMax: number;
}

export type GivenS4Config = { dModel: number } & Partial<S4Config>;

const DEFAULTS = {
  ...STATE_SPACE_DEFAULTS, dState: 64, init: 'legs', rank: 1, lMax: 1024, dtMin: 0.001, dtMax: 0.1, dtTransform: 'exp', realTransform: 'exp', imagTransform: 'none', nSsm: 0,
} as const;

export const S4_KEYS = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[];

/** Fills in the defaults and checks every value. Throws ConfigError naming the key. */
export function s4Config(given: GivenS4Config): S4Config {
  const known = Object.fromEntries(Object.entries(given).filter(([key, value]) => value !== undefined && key !== 'layer'));
  const config = { ...DEFAULTS, ...known, nSsm: (given.nSsm ?? 0) || given.dModel } as S4Config;
  checkStateSpaceConfig('S4', config, DEFAULTS, given);
  checkSpectrumConfig('S4', config);
  wholeNumber('S4', 'lMax', config.lMax);
  wholeNumber('S4', 'rank', config.rank);
  if (config.rank > 4) throw new ConfigError(`S4: rank is ${config.rank}, expected at most 4.`);
  return config;
}

const NAMES = { skip: 'layer.D', weight: 'output_linear.0.weight', bias: 'output_linear.0.bias' } as const;

/** Parameters by the official block's names. C holds C~ from the start: the plain normal C of the published first values, corrected for lMax. */
export function s4Parameters(config: S4Config): ParameterSpecs {
  const { dModel, dState, channels, nSsm, rank } = config, modes = dState / 2;
  const first = systemInitialisers(firstSystems('S4', config.init, dState, nSsm, rank), config, rank);
  const steps = { shape: [dModel, 1], initialise: logUniformSteps(config.dtMin, config.dtMax, config.dtTransform) };
  return {
    ...surroundingParameters(config, NAMES, [config.finalAct === 'glu' ? 2 * dModel : dModel]),
    'layer.kernel.inv_dt': steps,
    'layer.kernel.C': { shape: [channels, dModel, modes, 2], initialise: complexNormal },
    'layer.kernel.B': { shape: [1, nSsm, modes, 2], initialise: first.B },
    'layer.kernel.A_real': { shape: [nSsm, modes], initialise: first.real },
    'layer.kernel.A_imag': { shape: [nSsm, modes], initialise: first.imag },
    'layer.kernel.P': { shape: [rank, nSsm, modes, 2], initialise: first.P },
  };
}

/**
 * S4: for each channel x[t] = A' x[t-1] + B' u[t], y[t] = 2 Re(C x[t]) + D u[t], A = diag(Lambda) - P P^* from HiPPO under the bilinear transform; then GELU and a gated
 * linear map.
 *
 * @remarks What is learnt is C~ = C (I - A'^lMax), as in the official code, so that `kernel(L)` needs no powers of A'. The recurrence keeps A' as diagonal plus low rank,
 * O(N) a step, with a state of [B, H, N/2] complex numbers; it solves C from C~ once for each change of the parameters, O(N^3 log lMax) for each channel in float64.
 * @see Gu, Goel and Re 2021, arXiv 2111.00396. Official: state-spaces/s4, s4block.py with mode 'dplr'.
 * @example
 * const layer = S4.create({ dModel: 64, lMax: 784 }, { seed: 1 });
 * const { output, state } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64] and { re, im } [2, 64, 32]
 */
export class S4 extends StateSpaceLayer<S4Config> {
  static readonly kind = 's4';
  readonly kind = S4.kind;
  readonly #cache = createSystemCache();

  /** @param parameters - Variables by the names of `s4Parameters(config)`, C corrected for lMax; the layer owns them from now on. */
  constructor(config: GivenS4Config, parameters: Parameters) {
    super(s4Config(config), parameters, NAMES);
  }

  /** A layer with the published first values. */
  static create(config: GivenS4Config, options: SeedOptions = {}): S4 {
    const complete = s4Config(config);
    const layer = new S4(complete, createParameters(s4Parameters(complete), seededRandom(options)));
    layer.correctOutput();
    return layer;
  }

  /**
   * A layer with given weights by official names.
   *
   * @param config - Official keys, `d_state` or `dState`; `l_max` is the length that C belongs to. `plainC`: C is the vector before the official code's first call,
   * and is corrected here. A trained checkpoint holds the corrected one (its `l_kernel` is `l_max`; leave that buffer out).
   */
  static fromOfficial(weights: WeightSource, config: { readonly [key: string]: unknown }): S4 {
    const { plainC, ...rest } = camelKeys(config), complete = s4Config(rest as GivenS4Config);
    const layer = new S4(complete, createParameters(s4Parameters(complete), seededRandom({})));
    try {
      assignParameters(layer.parameters, weights, { what: 'S4.fromOfficial' });
      if (plainC === true) layer.correctOutput();
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  /** Takes C as the plain output vector and replaces it by C~ = C (I - A'^lMax). For new weights; `create` has done it. */
  correctOutput(): void {
    const numbers = (name: string): Float64Array => Float64Array.from(this.parameters[`layer.kernel.${name}`]!.dataSync());
    const { dModel, dState, nSsm, channels, rank, dtTransform, realTransform, imagTransform, lMax } = this.config;
    const corrected = s4CorrectedOutput(
      { invDt: numbers('inv_dt'), ARe: numbers('A_real'), AIm: numbers('A_imag'), B: numbers('B'), C: numbers('C'), P: numbers('P') },
      { heads: dModel, modes: dState / 2, copies: nSsm, channels, rank, steps: 1, rate: 1, dtTransform, realTransform, imagTransform }, lMax,
    );
    setValues(this.parameters['layer.kernel.C']!, Float32Array.from(corrected));
  }

  /** The convolution kernel [C, H, length] of the system, length at most lMax, without the skip. The caller disposes it. */
  kernel(length: number): Tensor {
    return s4Kernel(this.#system(), length, this.#options());
  }

  protected get modes(): number { return this.config.dState / 2; }

  protected run(u: Tensor, options: SystemOptions) {
    return s4Scan(u, this.#system(), this.#options(), { ...options, cache: this.#cache });
  }

  #system(): S4Parameters {
    const p = this.parameters;
    return { invDt: p['layer.kernel.inv_dt'], ARe: p['layer.kernel.A_real'], AIm: p['layer.kernel.A_imag'], B: p['layer.kernel.B'], C: p['layer.kernel.C'], P: p['layer.kernel.P'] };
  }

  #options() {
    const { lMax, dtTransform, realTransform, imagTransform } = this.config;
    return { kernelLength: lMax, dtTransform, realTransform, imagTransform };
  }
}
