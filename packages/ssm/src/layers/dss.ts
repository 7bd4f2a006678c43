import type { Tensor } from '@tensorflow/tfjs';
import { ConfigError } from '../errors/index.ts';
import { normalPlusLowRank } from '../math/index.ts';
import { createSystemCache, dssKernel, dssScan } from '../ops/index.ts';
import type { DssParameters, DssVersion, SystemOptions } from '../ops/index.ts';
import { normal } from '../random/index.ts';
import type { Initialiser } from '../random/index.ts';
import { camelKeys } from './mamba-config.ts';
import { assignParameters, createParameters } from './parameters.ts';
import type { Parameters, ParameterSpecs, WeightSource } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import { checkStateSpaceConfig, STATE_SPACE_DEFAULTS, StateSpaceLayer, surroundingParameters, wholeNumber } from './state-space-layer.ts';
import type { StateSpaceConfig } from './state-space-layer.ts';

export interface DssConfig extends StateSpaceConfig {
  /** Number of complex modes N; no conjugate pairs. Default 64. */
  readonly dState: number;
  /** Default 'softmax'. */
  readonly version: DssVersion;
  /** softmax: the length over which a row is normalised, in steps. The published layer takes that of each batch. Default 1024. */
  readonly lMax: number;
  readonly dtMin: number;
  readonly dtMax: number;
  /** A step for the real and one for the imaginary part. Default true. */
  readonly sepDtReIm: boolean;
  /** Bound of reciprocals. Default 1e-7. */
  readonly epsilon: number;
  /** clip: real parts are at most minus this. Default 1e-4. */
  readonly maxRealLambda: number;
}

export type GivenDssConfig = { dModel: number } & Partial<DssConfig>;

const DEFAULTS = {
  ...STATE_SPACE_DEFAULTS, finalAct: 'id', dState: 64, version: 'softmax', lMax: 1024, dtMin: 0.001, dtMax: 0.1, sepDtReIm: true, epsilon: 1e-7, maxRealLambda: 1e-4,
} as const;

export const DSS_KEYS = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[];
const VERSIONS: readonly DssVersion[] = ['softmax', 'exp', 'exp-no-scale', 'clip', 'clip-no-scale'];

/** Fills in the defaults and checks every value. Throws ConfigError naming the key. */
export function dssConfig(given: GivenDssConfig): DssConfig {
  const known = Object.fromEntries(Object.entries(given).filter(([key, value]) => value !== undefined && key !== 'layer'));
  const config = { ...DEFAULTS, ...known } as unknown as DssConfig;
  checkStateSpaceConfig('DSS', config, DEFAULTS, given);
  wholeNumber('DSS', 'dState', config.dState);
  wholeNumber('DSS', 'lMax', config.lMax);
  if (!VERSIONS.includes(config.version)) throw new ConfigError(`DSS: version is ${JSON.stringify(config.version)}, expected one of ${VERSIONS.join(', ')}.`);
  if (!(config.dtMin > 0 && config.dtMin <= config.dtMax)) throw new ConfigError(`DSS: dtMin is ${config.dtMin} and dtMax ${config.dtMax}, expected 0 < dtMin <= dtMax.`);
  return config;
}

const NAMES = { skip: 'D', weight: 'output_linear.weight', bias: 'output_linear.bias' } as const;

/** Parameters by the official layer's names: eigenvalues -1/2 + i w with the positive half of the spectrum of LegS' skew part of size 2N, largest first. */
export function dssParameters(config: DssConfig): ParameterSpecs {
  const { dModel, dState, channels, version, sepDtReIm, finalAct } = config;
  const frequencies = (): number[] => Array.from(normalPlusLowRank('legs', 2 * dState).eigenvalues.im, (value) => -value);
  const values = (make: () => ArrayLike<number>): Initialiser => () => Float32Array.from(make());
  const steps: Initialiser = (_shape, random) => Float32Array.from(Array.from({ length: dModel }, () => Math.log(config.dtMin) + random.next() * (Math.log(config.dtMax) - Math.log(config.dtMin)))
    .flatMap((value) => (sepDtReIm ? [value, value] : [value])));
  return {
    ...surroundingParameters(config, NAMES, [finalAct === 'glu' ? 2 * dModel : dModel, 1]),
    'kernel.log_dt': { shape: sepDtReIm ? [dModel, 2] : [dModel], initialise: steps },
    ...(version.startsWith('exp')
      ? {
        'kernel.Lambda_log_neg_re': { shape: [dState], initialise: values(() => new Float64Array(dState).fill(Math.log(0.5))) },
        'kernel.Lambda_im': { shape: [dState], initialise: values(frequencies) },
      }
      : { 'kernel.Lambda': { shape: [dState, 2], initialise: values(() => frequencies().flatMap((value) => [-0.5, value])) } }),
    'kernel.W': { shape: [channels, dModel, dState, 2], initialise: normal(1) },
  };
}

/**
 * DSS: K[h, l] = Re sum over n of W s e^(l dt Lambda), y = K * u + D u; then GELU and a linear map. s is a row-softmax over the steps divided by Lambda ('softmax'), or
 * (e^(dt Lambda) - 1) / Lambda ('exp').
 *
 * @remarks Parameters have the names and shapes of the official layer; eigenvalues are shared by all channels. Run as a recurrence in double precision, O(L H N), with a
 * state of [B, H, N] complex numbers. The published softmax layer normalises over the length of each batch, so that its output depends on padding; here it is `lMax`, the
 * same for every call, which is what lets it run in chunks. Set lMax to the sequences' length for the published map.
 * @see Gupta, Gu and Berant 2022, arXiv 2203.14343. Official: ag1988/dss, src/models/sequence/ss/standalone/dss.py.
 */
export class Dss extends StateSpaceLayer<DssConfig> {
  static readonly kind = 'dss';
  readonly kind = Dss.kind;
  readonly #cache = createSystemCache();

  /** @param parameters - Variables by the names of `dssParameters(config)`; the layer owns them from now on. */
  constructor(config: GivenDssConfig, parameters: Parameters) {
    super(dssConfig(config), parameters, NAMES);
  }

  /** A layer with the published first values. */
  static create(config: GivenDssConfig, options: SeedOptions = {}): Dss {
    const complete = dssConfig(config);
    return new Dss(complete, createParameters(dssParameters(complete), seededRandom(options)));
  }

  /** A layer with given weights by official names. @param config - Official keys, `d_state` or `dState`. */
  static fromOfficial(weights: WeightSource, config: { readonly [key: string]: unknown }): Dss {
    const layer = Dss.create(camelKeys(config) as GivenDssConfig);
    try {
      assignParameters(layer.parameters, weights, { what: 'Dss.fromOfficial' });
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  /** The convolution kernel [C, H, length], without the skip; rows of softmax are normalised over `length`. The caller disposes it. */
  kernel(length: number): Tensor {
    return dssKernel(this.#system(), length, this.#options());
  }

  protected get modes(): number { return this.config.dState; }

  protected run(u: Tensor, options: SystemOptions) {
    return dssScan(u, this.#system(), { ...this.#options(), kernelLength: this.config.lMax }, { ...options, cache: this.#cache });
  }

  #system(): DssParameters {
    const p = this.parameters;
    return { logDt: p['kernel.log_dt'], Lambda: p['kernel.Lambda'], logNegRe: p['kernel.Lambda_log_neg_re'], lambdaIm: p['kernel.Lambda_im'], W: p['kernel.W'] };
  }

  #options() {
    const { version, epsilon, maxRealLambda } = this.config;
    return { version, epsilon, maxRealLambda };
  }
}
