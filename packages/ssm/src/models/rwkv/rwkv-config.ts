import { ConfigError } from '../../errors/index.ts';
import type { RwkvVersion } from '../../layers/index.ts';

/** A whole RWKV language model. Sizes that are 0 stand for the published ones. */
export interface RwkvConfig {
  readonly version: RwkvVersion;
  readonly vocabSize: number;
  readonly dModel: number;
  readonly nLayer: number;
  /** Width of a head, versions 5 to 7. Default 64. */
  readonly headSize: number;
  readonly dimFfn: number;
  /** Ranks of the low-rank functions: version 6 has two, version 7 four. */
  readonly maaRank: number;
  readonly decayRank: number;
  readonly rateRank: number;
  readonly valueRank: number;
  readonly gateRank: number;
  /** See `RwkvPlace.outputScale`. Default 0. */
  readonly outputScale: number;
}

export type GivenRwkvConfig = Partial<RwkvConfig> & { readonly preset?: keyof typeof RWKV_PRESETS };

const DEFAULTS: RwkvConfig = {
  version: 7, vocabSize: 65536, dModel: 768, nLayer: 12, headSize: 64, dimFfn: 0, maaRank: 32, decayRank: 64, rateRank: 64, valueRank: 32, gateRank: 128, outputScale: 0,
};

/** `tiny` for tests; the others are published sizes. */
export const RWKV_PRESETS = {
  tiny: { vocabSize: 16, dModel: 8, nLayer: 2, headSize: 4, maaRank: 2, decayRank: 2, rateRank: 2, valueRank: 2, gateRank: 4 },
  '169m': { version: 4, vocabSize: 50277, dModel: 768, nLayer: 12 },
  '191m': { version: 7, vocabSize: 65536, dModel: 768, nLayer: 12 },
} as const satisfies Readonly<Record<string, Partial<RwkvConfig>>>;

/** @throws ConfigError naming the key, its value and what is allowed. */
export function rwkvConfig(given: GivenRwkvConfig): RwkvConfig {
  const { preset, ...own } = given;
  if (preset !== undefined && !(preset in RWKV_PRESETS)) throw new ConfigError(`Rwkv: unknown preset "${String(preset)}", expected one of ${Object.keys(RWKV_PRESETS).join(', ')}.`);
  for (const key of Object.keys(own)) if (!(key in DEFAULTS)) throw new ConfigError(`Rwkv: unknown option "${key}", expected one of preset, ${Object.keys(DEFAULTS).join(', ')}.`);
  const config: RwkvConfig = { ...DEFAULTS, ...(preset && RWKV_PRESETS[preset]), ...own };
  for (const key of ['vocabSize', 'dModel', 'nLayer'] as const) {
    if (!Number.isSafeInteger(config[key]) || config[key] < 1) throw new ConfigError(`Rwkv: ${key} is ${config[key]}, expected a whole number of at least 1.`);
  }
  if (![4, 5, 6, 7].includes(config.version)) throw new ConfigError(`Rwkv: version is ${String(config.version)}, expected 4, 5, 6 or 7.`);
  return config;
}

type Shapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;

/** The configuration that weights with official names belong to; their shapes say all of it. */
export function configOfWeights(weights: Shapes): RwkvConfig {
  const shape = (name: string): readonly number[] => {
    const found = weights.get(name)?.shape;
    if (!found) throw new ConfigError(`Rwkv.fromOfficial: the weights hold no ${name}. They are not those of RWKV-4 to 7 by their official names.`);
    return found;
  };
  const has = (name: string): boolean => weights.has(`blocks.0.att.${name}`);
  const version = has('r_k') ? 7 : has('time_maa_x') ? 6 : has('time_faaaa') ? 5 : 4;
  const [vocabSize, dModel] = shape('emb.weight') as [number, number];
  const nLayer = new Set([...weights.keys()].map((name) => /^blocks\.(\d+)\./.exec(name)?.[1]).filter(Boolean)).size;
  const rank = (name: string, axis = 1): number => shape(`blocks.0.att.${name}`)[axis]!;
  return rwkvConfig({
    version, vocabSize, dModel, nLayer, dimFfn: shape('blocks.0.ffn.key.weight')[0]!,
    ...(version === 7 && { headSize: rank('r_k'), decayRank: rank('w1'), rateRank: rank('a1'), valueRank: rank('v1'), gateRank: rank('g1') }),
    ...(version === 6 && { headSize: rank('time_faaaa'), maaRank: rank('time_maa_w2'), decayRank: rank('time_decay_w1') }),
    ...(version === 5 && { headSize: rank('time_faaaa') }),
  });
}
