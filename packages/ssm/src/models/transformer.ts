import type { ResidualStack } from '../layers/index.ts';
import type { Random } from '../random/index.ts';
import { checkStack, stackOf } from './stacks.ts';
import type { StackConfig } from './stacks.ts';

export interface TransformerConfig extends StackConfig {
  /** Pairs of attention and feed-forward part. Default 1. */
  readonly numLayers?: number;
}

function create(kind: string, causal: boolean, config: TransformerConfig, random: Random): ResidualStack {
  const { numLayers = 1 } = config;
  checkStack(kind, config, ['numLayers', 'attention', 'hidden'], { numLayers });
  const names = Array.from({ length: 2 * numLayers }, (_, index) => (index % 2 === 0 ? 'attention' as const : 'feed-forward' as const));
  return stackOf(kind, { ...config, attention: { ...config.attention, causal } }, names, 'layer', random);
}

/**
 * Transformer decoder: causal attention and a GELU network of width 4 dModel by turns, norm in front, positions by rotation. The baseline.
 *
 * @see Vaswani et al. 2017, arXiv 1706.03762; Xiong et al. 2020, arXiv 2002.04745, for the norm's place; Su et al. 2021, arXiv 2104.09864.
 */
export const createTransformerDecoder = (config: TransformerConfig, options: { random: Random }): ResidualStack => create('transformer-decoder', true, config, options.random);

/**
 * Transformer encoder: the same with attention to both sides; no state, so it promises instead that masked steps change nothing and segments do not see each other.
 */
export const createTransformerEncoder = (config: TransformerConfig, options: { random: Random }): ResidualStack => create('transformer-encoder', false, config, options.random);
