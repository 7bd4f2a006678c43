import type { ResidualStack } from '../layers/index.ts';
import type { Random } from '../random/index.ts';
import { checkStack, stackOf } from './stacks.ts';
import type { PartName, StackConfig } from './stacks.ts';

/** Keys of the published configuration in camelCase. */
export interface JambaConfig extends StackConfig {
  /** Layers of this stack. Default 8, one published block. */
  readonly numHiddenLayers?: number;
  /** Layer i is attention where i % attnLayerPeriod === attnLayerOffset, else Mamba. Default 8 and 4. */
  readonly attnLayerPeriod?: number;
  readonly attnLayerOffset?: number;
  /** Layer i ends in experts where i % expertLayerPeriod === expertLayerOffset, else in a gated MLP. Default 2 and 1. */
  readonly expertLayerPeriod?: number;
  readonly expertLayerOffset?: number;
}

/**
 * Jamba: seven Mamba layers to one of attention, each followed by a feed-forward part, every second of which is a mixture of 16 experts, two of each step; no positions.
 *
 * @remarks Interleaving of any mixers is also the backbone's `layerMixers`. The published Mamba layers of Jamba also norm dt, B and C; those here are plain ones.
 * @see Lieber et al. 2024, arXiv 2403.19887, section 3.
 */
export function createJamba(config: JambaConfig, options: { random: Random }): ResidualStack {
  const { numHiddenLayers = 8, attnLayerPeriod = 8, attnLayerOffset = 4, expertLayerPeriod = 2, expertLayerOffset = 1 } = config;
  checkStack('jamba', config, ['numHiddenLayers', 'attnLayerPeriod', 'attnLayerOffset', 'expertLayerPeriod', 'expertLayerOffset', 'mamba', 'attention', 'experts', 'hidden'],
    { numHiddenLayers, attnLayerPeriod, attnLayerOffset, expertLayerPeriod, expertLayerOffset });
  const names = Array.from({ length: numHiddenLayers }, (_, i): PartName[] => [
    i % attnLayerPeriod === attnLayerOffset ? 'attention' : 'mamba', i % expertLayerPeriod === expertLayerOffset ? 'experts' : 'gated-mlp',
  ]).flat();
  const experts = { numExperts: 16, topK: 2, ...config.experts };
  return stackOf('jamba', { ...config, experts, attention: { rotary: false, ...config.attention } }, names, 'rms', options.random);
}
