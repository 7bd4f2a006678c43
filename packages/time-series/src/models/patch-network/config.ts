import { ConfigError } from '@mamba360/ssm/errors';

/** The layer between patches: the state space model, its rival, or nothing (the control). */
export type Mixer = 'mamba' | 'lstm' | 'identity';

export interface PatchNetworkConfig {
  readonly mixer: Mixer;
  /** Width of a token. */
  readonly dModel: number;
  /** Number of blocks. */
  readonly layers: number;
  /** Rows a token. */
  readonly patchLength: number;
  /** Rows between the starts of neighbouring tokens. */
  readonly patchStride: number;
  /** State size of Mamba. */
  readonly dState: number;
  /** Inner width of the gated MLP after each mixer; 0 leaves it out. */
  readonly mlpHidden: number;
  /** A linear map from the window straight to the horizon, beside the blocks. */
  readonly linearSkip: boolean;
  /** Share of activations dropped in training, 0 to below 1. */
  readonly dropout: number;
}

/** Widths by name; `tiny` is for tests and trains in seconds. */
export const PATCH_PRESETS = {
  tiny: { dModel: 16, layers: 1, patchLength: 8, patchStride: 4, dState: 8, mlpHidden: 0, linearSkip: true, dropout: 0 },
  small: { dModel: 32, layers: 2, patchLength: 12, patchStride: 6, dState: 16, mlpHidden: 0, linearSkip: true, dropout: 0.1 },
  base: { dModel: 128, layers: 2, patchLength: 16, patchStride: 8, dState: 16, mlpHidden: 128, linearSkip: true, dropout: 0.2 },
} as const satisfies Record<string, Omit<PatchNetworkConfig, 'mixer'>>;

/**
 * Check a configuration, and make patches fit short windows.
 *
 * @throws ConfigError naming key, value and range.
 */
export function patchNetworkConfig(given: PatchNetworkConfig, inputSize: number): PatchNetworkConfig {
  const whole = (key: 'dModel' | 'layers' | 'patchLength' | 'patchStride' | 'dState', value: number): void => {
    if (!Number.isSafeInteger(value) || value < 1) throw new ConfigError(`network: ${key} is ${value}, expected a whole number of at least 1.`);
  };
  for (const key of ['dModel', 'layers', 'patchLength', 'patchStride', 'dState'] as const) whole(key, given[key]);
  if (!['mamba', 'lstm', 'identity'].includes(given.mixer)) throw new ConfigError(`network: mixer is "${String(given.mixer)}", expected mamba, lstm or identity.`);
  if (!(given.dropout >= 0 && given.dropout < 1)) throw new ConfigError(`network: dropout is ${given.dropout}, expected a number from 0 to below 1.`);
  if (!Number.isSafeInteger(given.mlpHidden) || given.mlpHidden < 0) throw new ConfigError(`network: mlpHidden is ${given.mlpHidden}, expected a whole number, 0 for none.`);
  const patchLength = Math.min(given.patchLength, inputSize);
  return { ...given, patchLength, patchStride: Math.min(given.patchStride, patchLength) };
}

/** Number of tokens of a window; the last one ends with the last row, and the first may reach before the window (padded with its first row). */
export function tokenCount(config: PatchNetworkConfig, inputSize: number): number {
  return 1 + Math.ceil((inputSize - config.patchLength) / config.patchStride);
}
