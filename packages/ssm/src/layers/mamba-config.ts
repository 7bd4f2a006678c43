import { ConfigError } from '../errors/index.ts';

/** Keys of the published configurations in camelCase. */
export interface MambaConfig {
  /** Width of input and output. */
  readonly dModel: number;
  /** State size N of each channel. Default 16. */
  readonly dState: number;
  /** Width W of the causal convolution, in steps. Default 4. */
  readonly dConv: number;
  /** Inner width E is expand x dModel. Default 2. */
  readonly expand: number;
  /** Rank R of delta; `auto` is ceil(dModel / 16). Default auto. */
  readonly dtRank: number | 'auto';
  /** First delta values are log-uniform in [dtMin, dtMax], in units of one step. Default .001 and .1. */
  readonly dtMin: number;
  readonly dtMax: number;
  /** First values of dt_proj.weight: uniform or constant, of size dtScale / sqrt(R). Default random. */
  readonly dtInit: 'random' | 'constant';
  readonly dtScale: number;
  /** Smallest first delta. Default 1e-4. */
  readonly dtInitFloor: number;
  /** Bias of the convolution. Default true. */
  readonly convBias: boolean;
  /** Biases of in_proj and out_proj. Default false. */
  readonly bias: boolean;
  /** RMS norms on delta's low-rank input, B and C, as Falcon-Mamba (no weights) and Jamba (weights) have them. Default none. */
  readonly innerNorm: 'none' | 'plain' | 'weighted';
  /** Added to the mean square of those norms. Default 1e-6. */
  readonly innerNormEpsilon: number;
}

const DEFAULTS = {
  dState: 16, dConv: 4, expand: 2, dtRank: 'auto', dtMin: 0.001, dtMax: 0.1, dtInit: 'random', dtScale: 1, dtInitFloor: 1e-4, convBias: true, bias: false,
  innerNorm: 'none', innerNormEpsilon: 1e-6,
} as const;

/** Options of other implementations of the layer that change speed, not values. */
const IGNORED = new Set(['useFastPath', 'layerIdx', 'device', 'dtype', 'layer']);

/**
 * Fills in the defaults and checks every value.
 *
 * @throws ConfigError naming the key, its value and what is allowed.
 */
export function mambaConfig(given: { dModel: number } & Partial<MambaConfig>): MambaConfig {
  for (const key of Object.keys(given)) {
    if (key !== 'dModel' && !Object.hasOwn(DEFAULTS, key) && !IGNORED.has(key)) {
      throw new ConfigError(`Mamba: unknown option "${key}", expected one of dModel, ${Object.keys(DEFAULTS).join(', ')}.`);
    }
  }
  const known = Object.fromEntries(Object.entries(given).filter(([key, value]) => value !== undefined && !IGNORED.has(key)));
  const config = { dModel: given.dModel, ...DEFAULTS, ...known } as MambaConfig;
  for (const key of ['dModel', 'dState', 'dConv'] as const) whole(key, config[key]);
  if (config.dtRank !== 'auto') whole('dtRank', config.dtRank);
  if (!(config.expand > 0) || !Number.isInteger(config.expand * config.dModel)) {
    throw new ConfigError(`Mamba: expand is ${config.expand} at dModel ${config.dModel}, expected a number whose product with dModel is a whole number of channels.`);
  }
  if (!(config.dtMin > 0 && config.dtMin <= config.dtMax)) throw new ConfigError(`Mamba: dtMin is ${config.dtMin} and dtMax ${config.dtMax}, expected 0 < dtMin <= dtMax.`);
  if (config.dtInit !== 'random' && config.dtInit !== 'constant') throw new ConfigError(`Mamba: dtInit is ${JSON.stringify(config.dtInit)}, expected 'random' or 'constant'.`);
  if (!['none', 'plain', 'weighted'].includes(config.innerNorm)) throw new ConfigError(`Mamba: innerNorm is ${JSON.stringify(config.innerNorm)}, expected 'none', 'plain' or 'weighted'.`);
  return config;
}

function whole(key: string, value: unknown): void {
  if (!Number.isSafeInteger(value) || (value as number) < 1) throw new ConfigError(`Mamba: ${key} is ${String(value)}, expected a whole number of at least 1.`);
}

/** Sizes that follow from a configuration: E, N, W, R. */
export function mambaSizes(config: MambaConfig): { inner: number; state: number; width: number; rank: number } {
  return {
    inner: Math.round(config.expand * config.dModel), state: config.dState, width: config.dConv,
    rank: config.dtRank === 'auto' ? Math.ceil(config.dModel / 16) : config.dtRank,
  };
}

/** `d_state` -> `dState`, as published configurations write their keys. */
export function camelKeys(config: { readonly [key: string]: unknown }): { [key: string]: unknown } {
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()), value]));
}
