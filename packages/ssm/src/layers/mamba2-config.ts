import { ConfigError } from '../errors/index.ts';

/** Keys of the published configurations in camelCase. */
export interface Mamba2Config {
  /** Width of input and output. */
  readonly dModel: number;
  /** State size N of each channel. Default 128. */
  readonly dState: number;
  /** Width W of the causal convolution, in steps. Default 4. */
  readonly dConv: number;
  /** Half-width of the first values of the convolution; null: the usual fan-in rule. Default null. */
  readonly convInit: number | null;
  /** Inner width is expand x dModel. Default 2. */
  readonly expand: number;
  /** Head width P. Default 64. */
  readonly headdim: number;
  /** Channels E that go through the scan; the others through a gated product beside it. null: all of the inner width. Default null. */
  readonly dSsm: number | null;
  /** Groups G of B and C; the norm works within these groups too. Default 1. */
  readonly ngroups: number;
  /** First decay rates are uniform in this range. Default [1, 16]. */
  readonly AInitRange: readonly [number, number];
  /** D for each channel instead of each head. Default false. */
  readonly DHasHdim: boolean;
  /** Gated RMSNorm behind the scan, else the gate is part of the scan. Default true. */
  readonly rmsnorm: boolean;
  /** The norm comes before the gate. Default false. */
  readonly normBeforeGate: boolean;
  readonly normEpsilon: number;
  /** Equal parts of the channels that the norm works in; null: `ngroups` of them. transformers' models have 1. Default null. */
  readonly normGroups: number | null;
  /** First delta values are log-uniform in [dtMin, dtMax], in units of one step. Default .001 and .1. */
  readonly dtMin: number;
  readonly dtMax: number;
  /** Smallest first delta. Default 1e-4. */
  readonly dtInitFloor: number;
  /** Bounds of delta, in units of one step. null: none. Default null. */
  readonly dtLimit: readonly [number, number] | null;
  /** Bias of the convolution. Default true. */
  readonly convBias: boolean;
  /** Biases of in_proj and out_proj. Default false. */
  readonly bias: boolean;
}

export type GivenMamba2Config = { dModel: number } & Partial<Mamba2Config>;

const DEFAULTS = {
  dState: 128, dConv: 4, convInit: null, expand: 2, headdim: 64, dSsm: null, ngroups: 1, AInitRange: [1, 16], DHasHdim: false, rmsnorm: true, normBeforeGate: false,
  normEpsilon: 1e-5, normGroups: null, dtMin: 0.001, dtMax: 0.1, dtInitFloor: 1e-4, dtLimit: null, convBias: true, bias: false,
} as const;

export const MAMBA2_KEYS = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[];

/** Options of other implementations of the layer that change speed, not values. */
const IGNORED = new Set(['chunkSize', 'useMemEffPath', 'processGroup', 'sequenceParallel', 'layerIdx', 'device', 'dtype', 'layer']);

/**
 * Fills in the defaults and checks every value.
 *
 * @throws ConfigError naming the key, its value and what is allowed.
 */
export function mamba2Config(given: GivenMamba2Config): Mamba2Config {
  for (const key of Object.keys(given)) {
    if (key !== 'dModel' && !Object.hasOwn(DEFAULTS, key) && !IGNORED.has(key)) {
      throw new ConfigError(`Mamba2: unknown option "${key}", expected one of dModel, ${MAMBA2_KEYS.join(', ')}.`);
    }
  }
  const known = Object.fromEntries(Object.entries(given).filter(([key, value]) => value !== undefined && !IGNORED.has(key)));
  const config = { dModel: given.dModel, ...DEFAULTS, ...known } as Mamba2Config;
  for (const key of ['dModel', 'dState', 'dConv', 'headdim', 'ngroups'] as const) whole(key, config[key]);
  const inner = config.expand * config.dModel;
  if (!(config.expand > 0) || !Number.isInteger(inner)) {
    throw new ConfigError(`Mamba2: expand is ${config.expand} at dModel ${config.dModel}, expected a number whose product with dModel is a whole number of channels.`);
  }
  if (config.dSsm !== null) whole('dSsm', config.dSsm);
  if (config.normGroups !== null) whole('normGroups', config.normGroups);
  const ssm = config.dSsm ?? inner;
  if (ssm > inner) throw new ConfigError(`Mamba2: dSsm is ${ssm}, expected at most the inner width ${inner} (expand x dModel).`);
  if (ssm % config.headdim !== 0) throw new ConfigError(`Mamba2: headdim is ${config.headdim}, expected a divisor of the ${ssm} channels of the scan. Set headdim, for example ${greatestDivisor(ssm, config.headdim)}.`);
  const heads = ssm / config.headdim;
  if (heads % config.ngroups !== 0) throw new ConfigError(`Mamba2: ngroups is ${config.ngroups}, expected a divisor of the ${heads} heads.`);
  if (config.normGroups !== null && ssm % config.normGroups !== 0) throw new ConfigError(`Mamba2: normGroups is ${config.normGroups}, expected a divisor of the ${ssm} channels of the scan, or null for ngroups.`);
  if (!(config.dtMin > 0 && config.dtMin <= config.dtMax)) throw new ConfigError(`Mamba2: dtMin is ${config.dtMin} and dtMax ${config.dtMax}, expected 0 < dtMin <= dtMax.`);
  const [low, high] = config.AInitRange;
  if (!(low > 0 && low <= high)) throw new ConfigError(`Mamba2: AInitRange is [${low}, ${high}], expected 0 < low <= high.`);
  if (config.dtLimit !== null && !(config.dtLimit[0] <= config.dtLimit[1])) throw new ConfigError(`Mamba2: dtLimit is [${config.dtLimit.join(', ')}], expected [least, most] with least <= most, or null.`);
  return config;
}

function whole(key: string, value: unknown): void {
  if (!Number.isSafeInteger(value) || (value as number) < 1) throw new ConfigError(`Mamba2: ${key} is ${String(value)}, expected a whole number of at least 1.`);
}

function greatestDivisor(total: number, most: number): number {
  let divisor = Math.min(total, most);
  while (total % divisor !== 0) divisor--;
  return divisor;
}

/** Sizes that follow from a configuration: channels of the scan E, heads H, channels beside the scan, of the convolution and of in_proj. */
export function mamba2Sizes(config: Mamba2Config): { ssm: number; heads: number; beside: number; convolved: number; projected: number; inner: number } {
  const inner = Math.round(config.expand * config.dModel), ssm = config.dSsm ?? inner, heads = ssm / config.headdim;
  const convolved = ssm + 2 * config.ngroups * config.dState;
  return { inner, ssm, heads, beside: inner - ssm, convolved, projected: 2 * inner + 2 * config.ngroups * config.dState + heads };
}
