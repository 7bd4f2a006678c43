import type { ResidualStack } from '../layers/index.ts';
import type { Random } from '../random/index.ts';
import { checkStack, stackOf } from './stacks.ts';
import type { StackConfig } from './stacks.ts';

export interface MoeMambaConfig extends StackConfig {
  /** Pairs of a Mamba layer and a layer of experts. Default 1. */
  readonly numPairs?: number;
}

/**
 * MoE-Mamba: Mamba and Switch layers by turns, x = x + mamba(norm(x)), x = x + experts(norm(x)); one expert of each step, chosen by softmax, of `experts.numExperts` (default 8).
 *
 * @remarks Experts are SwiGLU networks of width 4 dModel by default; without a capacity, so that the law of state holds. The paper balances them by the Switch loss, which `observe` receives.
 * @see Pioro et al. 2024, arXiv 2401.04081, section 3.
 */
export function createMoeMamba(config: MoeMambaConfig, options: { random: Random }): ResidualStack {
  const { numPairs = 1 } = config;
  checkStack('moe-mamba', config, ['numPairs', 'mamba', 'experts', 'hidden'], { numPairs });
  return stackOf('moe-mamba', config, Array.from({ length: 2 * numPairs }, (_, index) => (index % 2 === 0 ? 'mamba' : 'experts')), 'rms', options.random);
}
