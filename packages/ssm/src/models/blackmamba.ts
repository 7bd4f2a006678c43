import type { ResidualStack } from '../layers/index.ts';
import type { Random } from '../random/index.ts';
import { checkStack, stackOf } from './stacks.ts';
import type { StackConfig } from './stacks.ts';

export interface BlackMambaConfig extends StackConfig {
  /** Layers, Mamba first, then experts and Mamba by turns. Default 2. */
  readonly numLayers?: number;
}

/**
 * BlackMamba: Mamba and mixture-of-experts blocks by turns, top-1 of 8 SwiGLU experts.
 *
 * @remarks Its training balances the router by Sinkhorn iterations over the batch, under which a step's expert depends on its neighbours; here, as in its inference, a step goes to its best
 * expert, and the balance loss takes the other's place.
 * @see Anthony et al. 2024, arXiv 2402.01771, section 3.
 */
export function createBlackMamba(config: BlackMambaConfig, options: { random: Random }): ResidualStack {
  const { numLayers = 2 } = config;
  checkStack('blackmamba', config, ['numLayers', 'mamba', 'experts', 'hidden'], { numLayers });
  return stackOf('blackmamba', config, Array.from({ length: numLayers }, (_, index) => (index % 2 === 0 ? 'mamba' : 'experts')), 'rms', options.random);
}
