import { ConfigError } from '../errors/index.ts';
import { Backbone } from './backbone.ts';
import type { BackboneConfig } from './backbone-config.ts';

/** The published sizes, and one for tests. */
export const MAMBABYTE_SIZES = {
  tiny: { dModel: 16, nLayer: 2 }, '353m': { dModel: 1024, nLayer: 53 }, '972m': { dModel: 1792, nLayer: 48 }, '1.6b': { dModel: 2304, nLayer: 48 },
} as const satisfies Record<string, Partial<BackboneConfig>>;

/**
 * MambaByte: a Mamba language model over the 256 bytes, without a tokeniser. A backbone like any other; text goes in as its UTF-8 bytes.
 *
 * @param size - 'tiny', '353m', '972m' or '1.6b'.
 * @param config - Overrides keys of the size.
 * @see Wang et al. 2024, arXiv 2401.13660, table 2.
 * @example
 * const model = createMambaByte('tiny');
 * const { output } = model.apply(tf.tensor([[...new TextEncoder().encode('état')]], undefined, 'int32'));   // [1, 5, 256]
 */
export function createMambaByte(size: keyof typeof MAMBABYTE_SIZES, config: Partial<BackboneConfig> = {}, options: { seed?: number | string } = {}): Backbone {
  if (!Object.hasOwn(MAMBABYTE_SIZES, size)) throw new ConfigError(`MambaByte: size is "${String(size)}", expected one of ${Object.keys(MAMBABYTE_SIZES).join(', ')}.`);
  return Backbone.create({ ...MAMBABYTE_SIZES[size], vocabSize: 256, ...config }, options);
}
