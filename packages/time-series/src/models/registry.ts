import { ConfigError } from '@mamba360/ssm/errors';
import type { Random } from '@mamba360/ssm/random';
import { DLinear } from './dlinear/dlinear.ts';
import type { ForecastNetwork, NetworkSizes } from './forecast-network.ts';
import { PATCH_PRESETS } from './patch-network/config.ts';
import type { PatchNetworkConfig } from './patch-network/config.ts';
import { PatchNetwork } from './patch-network/patch-network.ts';

/** Names of models that `Forecaster.create` takes. */
export type ModelName = 'mamba' | 'lstm' | 'dlinear' | 'identity';
export type PresetName = keyof typeof PATCH_PRESETS;

/** What the README's table prints of a model. */
export interface ModelEntry {
  readonly name: ModelName;
  readonly task: 'forecast';
  readonly role: string;
  readonly paper: string;
  readonly create: (preset: PresetName, sizes: NetworkSizes, random: Random, overrides: Partial<PatchNetworkConfig>) => ForecastNetwork;
}

const patch = (mixer: PatchNetworkConfig['mixer']): ModelEntry['create'] => (preset, sizes, random, overrides) =>
  new PatchNetwork({ ...PATCH_PRESETS[preset], ...overrides, mixer }, sizes, random);

export const MODELS: readonly ModelEntry[] = [
  { name: 'mamba', task: 'forecast', role: 'patches through Mamba blocks', paper: 'arXiv 2312.00752', create: patch('mamba') },
  { name: 'lstm', task: 'forecast', role: 'the same network with LSTM blocks of about equal parameters: the rival', paper: 'doi 10.1162/neco.1997.9.8.1735', create: patch('lstm') },
  { name: 'dlinear', task: 'forecast', role: 'two linear maps: the simple baseline', paper: 'arXiv 2205.13504', create: (_preset, sizes, random) => new DLinear({ movingAverage: 25 }, sizes, random) },
  { name: 'identity', task: 'forecast', role: 'the same network without a mixer: the control', paper: '-', create: patch('identity') },
];

/**
 * Build a network by name.
 *
 * @throws ConfigError for an unknown model or preset.
 */
export function createNetwork(model: ModelName, preset: PresetName, sizes: NetworkSizes, random: Random, overrides: Partial<PatchNetworkConfig> = {}): ForecastNetwork {
  const entry = MODELS.find(one => one.name === model);
  if (!entry) throw new ConfigError(`model: got "${String(model)}", expected one of ${MODELS.map(one => one.name).join(', ')}.`);
  if (!Object.hasOwn(PATCH_PRESETS, preset)) throw new ConfigError(`preset: got "${String(preset)}", expected one of ${Object.keys(PATCH_PRESETS).join(', ')}.`);
  return entry.create(preset, sizes, random, overrides);
}
