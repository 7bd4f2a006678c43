import type { ResidualStack } from '../layers/index.ts';
import type { Random } from '../random/index.ts';
import { checkStack, stackOf } from './stacks.ts';
import type { StackConfig } from './stacks.ts';

export interface MambaFormerConfig extends StackConfig {
  /** Pairs of attention and Mamba behind the first Mamba layer. Default 1. */
  readonly numPairs?: number;
}

/**
 * MambaFormer: a Mamba layer in place of positions, then attention and Mamba by turns: the Transformer with its feed-forward parts replaced by Mamba and its positional encoding by one more.
 *
 * @see Park et al. 2024, arXiv 2402.04248, section 5.
 */
export function createMambaFormer(config: MambaFormerConfig, options: { random: Random }): ResidualStack {
  const { numPairs = 1 } = config;
  checkStack('mambaformer', config, ['numPairs', 'mamba', 'attention'], { numPairs });
  const names = ['mamba', ...Array.from({ length: 2 * numPairs }, (_, index) => (index % 2 === 0 ? 'attention' : 'mamba'))] as ('mamba' | 'attention')[];
  return stackOf('mambaformer', { ...config, attention: { rotary: false, ...config.attention } }, names, 'layer', options.random);
}
