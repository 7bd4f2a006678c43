import { ConfigError } from '../errors/index.ts';
import { camelKeys } from '../layers/index.ts';
import { mixer } from './mixers.ts';

/** Keys of the published configurations (`MambaConfig` of mamba_ssm) in camelCase, plus the few that other encoders and mixers need. */
export interface BackboneConfig {
  readonly dModel: number;
  /** Number of blocks. */
  readonly nLayer: number;
  /** Name in the registry. Default mamba. */
  readonly mixer: string;
  /** Mixers of the layers, repeated as often as needed: ['mamba', 'mamba', 'attention'] puts attention into every third. Default: `mixer` in all. */
  readonly layerMixers?: readonly string[];
  /** Options of mixers other than `mixer`, by name. Default: none. */
  readonly mixerCfg?: { readonly [mixer: string]: { readonly [key: string]: unknown } };
  /** Options of the mixer, such as dState. */
  readonly ssmCfg: { readonly [key: string]: unknown };
  /** Hidden width of the gated MLP behind each mixer; 0 = none. Default 0. */
  readonly dIntermediate: number;
  /** RMSNorm, else layer norm. Default true. */
  readonly rmsNorm: boolean;
  readonly normEpsilon: number;
  /** Input is token ids [B, L]; rows of the table are `vocabSize` rounded up to `padVocabSizeMultiple`. */
  readonly vocabSize: number | null;
  readonly padVocabSizeMultiple: number;
  /** Input is numbers [B, L, inputSize]; null with `vocabSize` null: the input already has width dModel. */
  readonly inputSize: number | null;
  /** Width of the head's output; null: vocabulary size for tokens, else no head. */
  readonly outputSize: number | null;
  /** The head's matrix is the embedding table. Default: true for tokens. */
  readonly tieEmbeddings: boolean;
  /** Share of values that dropout zeroes behind each mixer and MLP while training. Default 0. */
  readonly dropout: number;
}

const DEFAULTS = {
  mixer: 'mamba', ssmCfg: {}, dIntermediate: 0, rmsNorm: true, normEpsilon: 1e-5, vocabSize: null, padVocabSizeMultiple: 8, inputSize: null,
  outputSize: null, dropout: 0,
} as const;

/** Keys of published configurations that choose a faster or rounded path; everything here is float32. */
const IGNORED = new Set(['residualInFp32', 'fusedAddNorm', 'tieEmbeddings']);

/** Small sizes by name; a preset's keys can be overridden. */
export const PRESETS = {
  tiny: { dModel: 16, nLayer: 2, ssmCfg: {} },
  small: { dModel: 64, nLayer: 2, ssmCfg: {} },
  medium: { dModel: 128, nLayer: 4, ssmCfg: {} },
} as const satisfies Record<string, Partial<BackboneConfig>>;
export type PresetName = keyof typeof PRESETS;

export type GivenBackboneConfig = Partial<BackboneConfig> & { readonly preset?: PresetName; readonly [key: string]: unknown };

/**
 * Fills in preset and defaults, and checks every value.
 *
 * @throws ConfigError naming the key, its value and what is allowed.
 */
export function backboneConfig(given: GivenBackboneConfig): BackboneConfig {
  const { preset, ...explicit } = given;
  if (preset !== undefined && !Object.hasOwn(PRESETS, preset)) throw new ConfigError(`Backbone: unknown preset "${String(preset)}", expected one of ${Object.keys(PRESETS).join(', ')}.`);
  const merged: { [key: string]: unknown } = { ...DEFAULTS, ...(preset !== undefined && PRESETS[preset]) };
  for (const [key, value] of Object.entries(explicit)) if (value !== undefined) merged[key] = value;
  refuseAttention(merged);
  const known = new Set(['dModel', 'nLayer', 'layerMixers', 'mixerCfg', ...Object.keys(DEFAULTS)]);
  for (const key of Object.keys(merged)) {
    if (!known.has(key) && !IGNORED.has(key)) throw new ConfigError(`Backbone: unknown option "${key}", expected one of ${[...known].join(', ')}.`);
  }
  const { residualInFp32: _residual, fusedAddNorm: _fused, ...kept } = merged;
  const config = { ...kept, tieEmbeddings: merged.tieEmbeddings ?? merged.vocabSize !== null } as unknown as BackboneConfig;
  for (const name of [config.mixer, ...(config.layerMixers ?? []), ...Object.keys(config.mixerCfg ?? {})]) mixer(name);
  if (config.layerMixers?.length === 0) throw new ConfigError('Backbone: layerMixers is empty, expected at least one name, or none for the same mixer in all layers.');
  const least: [string, number | null, number][] = [
    ['dModel', config.dModel, 1], ['nLayer', config.nLayer, 0], ['dIntermediate', config.dIntermediate, 0], ['vocabSize', config.vocabSize, 1],
    ['inputSize', config.inputSize, 1], ['outputSize', config.outputSize, 1], ['padVocabSizeMultiple', config.padVocabSizeMultiple, 1],
  ];
  for (const [key, value, minimum] of least) {
    if (value !== null && !(Number.isSafeInteger(value) && value >= minimum)) throw new ConfigError(`Backbone: ${key} is ${String(value)}, expected a whole number of at least ${minimum}.`);
  }
  if (config.vocabSize !== null && config.inputSize !== null) throw new ConfigError(`Backbone: vocabSize is ${config.vocabSize} and inputSize ${config.inputSize}, expected one of them: tokens or numbers.`);
  if (config.tieEmbeddings && (config.vocabSize === null || config.outputSize !== null)) throw new ConfigError('Backbone: tieEmbeddings needs vocabSize and no outputSize, because the head is the embedding table.');
  if (!(config.dropout >= 0 && config.dropout < 1)) throw new ConfigError(`Backbone: dropout is ${config.dropout}, expected at least 0 and below 1.`);
  return config;
}

/** `ssm_cfg.layer` of mamba_ssm and the mixer it means. */
const OFFICIAL_LAYERS: ReadonlyMap<unknown, string> = new Map([['Mamba1', 'mamba'], ['Mamba2', 'mamba2']]);

/** A published configuration (snake_case or camelCase keys, mamba_ssm) as ours. */
export function officialBackboneConfig(official: { readonly [key: string]: unknown }): BackboneConfig {
  const { ssmCfg, dIntermediate = 0, ...rest } = camelKeys(official) as { ssmCfg?: unknown; dIntermediate?: number; [key: string]: unknown };
  const { layer = 'Mamba1', ...options } = camelKeys((ssmCfg ?? {}) as { [key: string]: unknown });
  const mixerName = OFFICIAL_LAYERS.get(layer);
  if (mixerName === undefined) throw new ConfigError(`Backbone.fromOfficial: ssm_cfg.layer is ${JSON.stringify(layer)}, expected one of ${[...OFFICIAL_LAYERS.keys()].join(', ')}.`);
  // mamba_ssm's gated MLP rounds its hidden width up to a multiple of 128.
  return backboneConfig({ ...rest, dIntermediate: Math.ceil(dIntermediate / 128) * 128, mixer: mixerName, ssmCfg: options } as GivenBackboneConfig);
}

function refuseAttention(config: { [key: string]: unknown }): void {
  const { attnLayerIdx = [], attnCfg: _attention } = config as { attnLayerIdx?: unknown[]; attnCfg?: unknown };
  if (attnLayerIdx.length > 0) throw new ConfigError(`Backbone: attnLayerIdx is [${String(attnLayerIdx)}], but attention layers are not built yet. Choose a checkpoint without them.`);
  delete config.attnLayerIdx;
  delete config.attnCfg;
}

/** Rows of the embedding table: vocabSize rounded up. */
export function paddedVocabSize(config: BackboneConfig): number {
  return Math.ceil((config.vocabSize ?? 0) / config.padVocabSizeMultiple) * config.padVocabSizeMultiple;
}

/** Name and options of a layer's mixer. */
export function mixerOfLayer({ mixer: name, layerMixers, mixerCfg, ssmCfg }: BackboneConfig, index: number): { name: string; options: { readonly [key: string]: unknown } } {
  const own = layerMixers?.[index % layerMixers.length] ?? name;
  return { name: own, options: mixerCfg?.[own] ?? (own === name ? ssmCfg : {}) };
}
