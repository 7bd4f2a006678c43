import { ConfigError } from '@mamba360/ssm/errors';
import type { BackendName } from '@mamba360/ssm/backend';
import { defaultSeason } from '../data/detect-frequency.ts';
import { formatFrequency, parseFrequency } from '../data/frequency.ts';
import type { Frequency } from '../data/frequency.ts';
import type { ScalerKind } from '../data/scaler.ts';
import type { PatchNetworkConfig } from '../models/patch-network/config.ts';
import type { ModelName, PresetName } from '../models/registry.ts';

/** What training makes small. `mse` and `mae` give points (intervals then come from calibration), `quantile` gives intervals of its own. */
export type LossOptions =
  | 'mse' | 'mae' | 'huber' | 'quantile'
  | { readonly kind: 'mse' | 'mae' | 'huber' }
  | { readonly kind: 'quantile'; readonly quantiles?: readonly number[] };

export interface CovariateOptions {
  /** Columns known up to now only, such as a price. */
  readonly past?: readonly string[];
  /** Columns known ahead, such as a promotion plan. `forecast({ future })` must bring them. */
  readonly future?: readonly string[];
  /** Text columns constant within a series, such as a region. */
  readonly static?: readonly string[];
}

export interface ForecasterOptions {
  /** Default: `mamba`. */
  readonly model?: ModelName;
  /** Default: `small`. */
  readonly preset?: PresetName;
  /** Rows forecast in one pass; longer horizons are rolled. */
  readonly horizon: number;
  /** Rows seen. Default: several seasons, at least twice the horizon. */
  readonly inputSize?: number;
  /** Distance between rows. Default: found from the first table. */
  readonly frequency?: string | Frequency;
  /** Rows a season, for the baselines. Default: by frequency (hours: 24, days: 7, months: 12). */
  readonly season?: number;
  readonly covariates?: CovariateOptions;
  /** Hour of the day, day of the week and the like as features. Default: true. */
  readonly calendar?: boolean;
  /** Default: `quantile` with 0.025, 0.1, 0.5, 0.9, 0.975. */
  readonly loss?: LossOptions;
  /** Scale of the errors in training: `series` counts a calm window less than a lively one, `window` counts all alike. Default: `series`. */
  readonly lossScale?: 'series' | 'window';
  readonly scaler?: ScalerKind;
  /** Decides everything random. Default: 0. */
  readonly seed?: number;
  readonly backend?: BackendName | 'auto';
  /** Single values in place of the preset's. */
  readonly network?: Partial<PatchNetworkConfig>;
}

/** Options complete and checked; plain JSON, saved as `config.json`. */
export interface ForecasterConfig {
  readonly model: ModelName;
  readonly preset: PresetName;
  readonly horizon: number;
  readonly inputSize: number;
  readonly frequency: string;
  readonly season: number;
  readonly past: readonly string[];
  readonly future: readonly string[];
  readonly statics: readonly string[];
  readonly calendar: boolean;
  readonly loss: 'mse' | 'mae' | 'huber' | 'quantile';
  /** Empty for a loss of points. */
  readonly quantiles: readonly number[];
  readonly lossScale: 'series' | 'window';
  readonly scaler: ScalerKind;
  readonly seed: number;
  readonly network: Partial<PatchNetworkConfig>;
}

const QUANTILES = [0.025, 0.1, 0.5, 0.9, 0.975];
const KEYS = ['model', 'preset', 'horizon', 'inputSize', 'frequency', 'season', 'covariates', 'calendar', 'loss', 'lossScale', 'scaler', 'seed', 'backend', 'network'];

/**
 * Fill in the defaults.
 *
 * @param frequency - of the table, where the options name none.
 * @throws ConfigError naming the option, the value and what is allowed.
 */
export function forecasterConfig(options: ForecasterOptions, frequency: Frequency): ForecasterConfig {
  for (const key of Object.keys(options)) if (!KEYS.includes(key)) throw new ConfigError(`Forecaster: unknown option "${key}", expected one of ${KEYS.join(', ')}.`);
  const step = options.frequency === undefined ? frequency : parseFrequency(options.frequency);
  const season = options.season ?? defaultSeason(step);
  const loss = typeof options.loss === 'string' ? { kind: options.loss } : options.loss ?? { kind: 'quantile' as const };
  const quantiles = loss.kind === 'quantile' ? ('quantiles' in loss && loss.quantiles ? loss.quantiles : QUANTILES) : [];
  const config: ForecasterConfig = {
    model: options.model ?? 'mamba', preset: options.preset ?? 'small', horizon: options.horizon, inputSize: options.inputSize ?? defaultInputSize(options.horizon, step, season),
    frequency: formatFrequency(step), season, past: options.covariates?.past ?? [], future: options.covariates?.future ?? [], statics: options.covariates?.static ?? [],
    calendar: options.calendar ?? true, loss: loss.kind, quantiles, lossScale: options.lossScale ?? 'series', scaler: options.scaler ?? 'standard', seed: options.seed ?? 0,
    network: options.network ?? {},
  };
  checkConfig(config);
  return config;
}

/** Also run on a `config.json` read from a file. */
export function checkConfig(config: ForecasterConfig): void {
  for (const key of ['horizon', 'inputSize', 'season'] as const) {
    if (!Number.isSafeInteger(config[key]) || config[key] < 1 || config[key] > 100_000) throw new ConfigError(`Forecaster: ${key} is ${config[key]}, expected a whole number of rows from 1 to 100,000.`);
  }
  if (!['mse', 'mae', 'huber', 'quantile'].includes(config.loss)) throw new ConfigError(`Forecaster: loss is "${String(config.loss)}", expected mse, mae, huber or quantile.`);
  if (config.lossScale !== 'series' && config.lossScale !== 'window') throw new ConfigError(`Forecaster: lossScale is "${String(config.lossScale)}", expected series or window.`);
  if (!Number.isFinite(config.seed)) throw new ConfigError(`Forecaster: seed is ${config.seed}, expected a number.`);
  const { quantiles } = config;
  const ascending = quantiles.every((level, index) => level > (quantiles[index - 1] ?? 0) && level < 1);
  if (config.loss === 'quantile' && (quantiles.length === 0 || !ascending || !quantiles.includes(0.5))) {
    throw new ConfigError(`Forecaster: quantiles are [${quantiles.join(', ')}], expected ascending numbers between 0 and 1, 0.5 among them (the point forecast).`);
  }
  const named = [...config.past, ...config.future];
  const twice = named.find((name, index) => named.indexOf(name) !== index);
  if (twice !== undefined) throw new ConfigError(`Forecaster: the covariate "${twice}" is named twice, expected each column to be past or future.`);
}

/** Weeks of hours, weeks of days, years of months; at least twice the horizon. */
function defaultInputSize(horizon: number, frequency: Frequency, season: number): number {
  const seasons = ['h', 'min', 's', 'ms'].includes(frequency.unit) ? 7 : frequency.unit === 'D' || frequency.unit === 'B' ? 4 : 2;
  return Math.max(Math.min(season * seasons, 336), 2 * horizon, 16);
}

/** Outputs of the network for each value. */
export function outputCount(config: ForecasterConfig): number {
  return Math.max(1, config.quantiles.length);
}
