import { ConfigError } from '../errors/index.ts';
import { constant, normal } from '../random/index.ts';
import { megaEmaParameters } from './mega-ema.ts';
import type { ParameterSpecs } from './parameters.ts';
import { checkWhole, completeConfig } from './streaming-layer.ts';

export interface MegaConfig {
  /** Width D of input and output. */
  readonly dModel: number;
  /** Width of queries and keys. Default max(1, dModel / 4), rounded down. */
  readonly zdim: number;
  /** Width of values. Default 2 dModel. */
  readonly hdim: number;
  /** Averages of each channel. Default 16. */
  readonly ndim: number;
  readonly attentionActivation: 'softmax' | 'relu2' | 'laplace';
  readonly bidirectional: boolean;
  /** Steps of a chunk that attention stays in (Mega-chunk: constant state), or -1 for all earlier steps. Default -1. */
  readonly chunkSize: number;
  readonly relPosBias: 'simple' | 'rotary';
  /** Longest sequence (without chunks) or longest chunk. Default 1024. */
  readonly maxPositions: number;
  /** Norm before the layer instead of after it; none: the caller has its own. Default before. */
  readonly norm: 'before' | 'after' | 'none';
}

const OPTIONS = { attentionActivation: ['softmax', 'relu2', 'laplace'], relPosBias: ['simple', 'rotary'], norm: ['before', 'after', 'none'] } as const;

export function megaConfig(given: { dModel: number } & Partial<MegaConfig>): MegaConfig {
  const config = completeConfig<MegaConfig>('Mega', given, {
    zdim: Math.max(1, Math.floor(given.dModel / 4)), hdim: 2 * given.dModel, ndim: 16, attentionActivation: 'softmax', bidirectional: false, chunkSize: -1, relPosBias: 'simple',
    maxPositions: 1024, norm: 'before',
  });
  checkWhole('Mega', { zdim: config.zdim, hdim: config.hdim, ndim: config.ndim, maxPositions: config.maxPositions, ...(config.chunkSize !== -1 && { chunkSize: config.chunkSize }) });
  for (const [key, known] of Object.entries(OPTIONS)) {
    const value = config[key as keyof typeof OPTIONS];
    if (!(known as readonly string[]).includes(value)) throw new ConfigError(`Mega: ${key} is ${JSON.stringify(value)}, expected one of ${known.join(', ')}.`);
  }
  if (config.chunkSize > config.maxPositions) throw new ConfigError(`Mega: chunkSize is ${config.chunkSize} and maxPositions ${config.maxPositions}, expected chunks within the positions. Raise maxPositions.`);
  if (config.relPosBias === 'rotary' && config.zdim % 2 !== 0) throw new ConfigError(`Mega: zdim is ${config.zdim} with rotary positions, expected an even number. Use relPosBias 'simple' or another zdim.`);
  return config;
}

/** Parameters by the official names, first values as published: matrices and biases normal .02, gamma and beta of queries and keys normal .02 and 0. */
export function megaParameters(config: MegaConfig): ParameterSpecs {
  const { dModel, zdim, hdim, ndim, bidirectional, relPosBias, maxPositions, norm } = config;
  const dense = (name: string, outputs: number, inputs: number): ParameterSpecs => ({
    [`${name}.weight`]: { shape: [outputs, inputs], initialise: normal(0.02) }, [`${name}.bias`]: { shape: [outputs], initialise: constant(0) },
  });
  const move = megaEmaParameters({ dModel, ndim, bidirectional, truncation: null });
  return {
    gamma: { shape: [2, zdim], initialise: normal(0.02) }, beta: { shape: [2, zdim], initialise: constant(0) },
    ...(norm === 'none' ? {} : { 'norm.norm.weight': { shape: [dModel], initialise: constant(1) }, 'norm.norm.bias': { shape: [dModel], initialise: constant(0) } }),
    ...Object.fromEntries(Object.entries(move).map(([name, spec]) => [`move.${name}`, spec])),
    ...dense('v_proj', hdim, dModel), ...dense('mx_proj', 2 * dModel + zdim + hdim, dModel), ...dense('h_proj', dModel, hdim),
    ...(relPosBias === 'simple' ? { 'rel_pos_bias.rel_pos_bias': { shape: [2 * maxPositions - 1], initialise: normal(0.02) } }
      : { 'rel_pos_bias.alpha': { shape: [1, zdim], initialise: normal(0.02) }, 'rel_pos_bias.beta': { shape: [1, zdim], initialise: normal(0.02) } }),
  };
}
