import { ConfigError } from '../errors/index.ts';

/** Keys of the published configurations in camelCase. */
export interface Mamba3Config {
  /** Width of input and output. */
  readonly dModel: number;
  /** State size N of each channel. Default 128. */
  readonly dState: number;
  /** Inner width E is expand x dModel. Default 2. */
  readonly expand: number;
  /** Head width P. Default 64. */
  readonly headdim: number;
  /** Groups G of B and C. Default 1. */
  readonly ngroups: number;
  /** Share of the state whose pairs turn, .5 or 1. Default .5. */
  readonly ropeFraction: number;
  /** First delta values are log-uniform in [dtMin, dtMax], in units of one step. Default .001 and .1. */
  readonly dtMin: number;
  readonly dtMax: number;
  /** Smallest first delta. Default 1e-4. */
  readonly dtInitFloor: number;
  /** Slowest decay rate. Default 1e-4. */
  readonly AFloor: number;
  /** RMSNorm of each head before the gate. Default false. */
  readonly isOutprojNorm: boolean;
  /** Several inputs and outputs a channel. Default false. */
  readonly isMimo: boolean;
  /** Rank R, with `isMimo`. Default 4. */
  readonly mimoRank: number;
}

export type GivenMamba3Config = { dModel: number } & Partial<Mamba3Config>;

const DEFAULTS = {
  dState: 128, expand: 2, headdim: 64, ngroups: 1, ropeFraction: 0.5, dtMin: 0.001, dtMax: 0.1, dtInitFloor: 1e-4, AFloor: 1e-4, isOutprojNorm: false, isMimo: false, mimoRank: 4,
} as const;

export const MAMBA3_KEYS = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[];

/** Options of other implementations of the layer that change speed, not values. */
const IGNORED = new Set(['chunkSize', 'dropout', 'layerIdx', 'nLayer', 'device', 'dtype', 'layer']);

/**
 * Fills in the defaults and checks every value.
 *
 * @throws ConfigError naming the key, its value and what is allowed.
 */
export function mamba3Config(given: GivenMamba3Config): Mamba3Config {
  for (const key of Object.keys(given)) {
    if (key !== 'dModel' && !Object.hasOwn(DEFAULTS, key) && !IGNORED.has(key)) throw new ConfigError(`Mamba3: unknown option "${key}", expected one of dModel, ${MAMBA3_KEYS.join(', ')}.`);
  }
  const known = Object.fromEntries(Object.entries(given).filter(([key, value]) => value !== undefined && !IGNORED.has(key)));
  const config = { dModel: given.dModel, ...DEFAULTS, ...known } as Mamba3Config;
  for (const key of ['dModel', 'dState', 'headdim', 'ngroups', 'mimoRank'] as const) {
    if (!Number.isSafeInteger(config[key]) || config[key] < 1) throw new ConfigError(`Mamba3: ${key} is ${String(config[key])}, expected a whole number of at least 1.`);
  }
  const inner = config.expand * config.dModel;
  if (!(config.expand > 0) || !Number.isInteger(inner)) throw new ConfigError(`Mamba3: expand is ${config.expand} at dModel ${config.dModel}, expected a number whose product with dModel is a whole number of channels.`);
  if (inner % config.headdim !== 0) throw new ConfigError(`Mamba3: headdim is ${config.headdim}, expected a divisor of the inner width ${inner} (expand x dModel).`);
  if ((inner / config.headdim) % config.ngroups !== 0) throw new ConfigError(`Mamba3: ngroups is ${config.ngroups}, expected a divisor of the ${inner / config.headdim} heads.`);
  if (config.ropeFraction !== 0.5 && config.ropeFraction !== 1) throw new ConfigError(`Mamba3: ropeFraction is ${config.ropeFraction}, expected .5 or 1.`);
  if (Math.floor(config.dState * config.ropeFraction) < 2) throw new ConfigError(`Mamba3: dState is ${config.dState} at ropeFraction ${config.ropeFraction}, expected at least one pair that turns.`);
  if (!(config.dtMin > 0 && config.dtMin <= config.dtMax)) throw new ConfigError(`Mamba3: dtMin is ${config.dtMin} and dtMax ${config.dtMax}, expected 0 < dtMin <= dtMax.`);
  return config;
}

/** Sizes that follow from a configuration: E, H, R, turning pairs S, rows of in_proj. */
export function mamba3Sizes(config: Mamba3Config): { inner: number; heads: number; rank: number; rotated: number; coefficients: number; projected: number } {
  const inner = Math.round(config.expand * config.dModel), heads = inner / config.headdim, rank = config.isMimo ? config.mimoRank : 1;
  const rotated = Math.floor(Math.floor(config.dState * config.ropeFraction) / 2), coefficients = rank * config.ngroups * config.dState;
  return { inner, heads, rank, rotated, coefficients, projected: 2 * inner + 2 * coefficients + 3 * heads + rotated };
}
