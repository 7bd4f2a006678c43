import { ConfigError } from '../errors/index.ts';
import { Gru, Identity, Lstm, Mamba, Mamba2, Mamba3 } from '../layers/index.ts';
import type { GivenMamba2Config, LayerCapabilities, MambaConfig, RecurrentConfig, SequenceLayer, GivenMamba3Config } from '../layers/index.ts';
import { DeltaNet, GatedDeltaNet, Gla, Hgrn2, Mlstm, RetNet, Rwkv4, Rwkv5, Rwkv6, Rwkv7 } from '../layers/index.ts';
import { Gss, H3, Hyena, LongConv, SgConv } from '../layers/index.ts';
import type { GssConfig, H3Config, HyenaConfig, LongConvConfig, SgConvConfig } from '../layers/index.ts';
import type { Random } from '../random/index.ts';

/** A sequence layer that a backbone can use by name. */
export interface MixerEntry {
  readonly name: string;
  readonly capabilities: LayerCapabilities;
  /** Configuration small enough for tests. */
  readonly tiny: { readonly [key: string]: unknown };
  /** A layer of width dModel; unknown keys throw ConfigError. */
  create(config: { dModel: number; [key: string]: unknown }, random: Random): SequenceLayer;
}

const entries = new Map<string, MixerEntry>();

/** Makes a mixer known by its name; a second one of the same name is refused. */
export function registerMixer(entry: MixerEntry): void {
  if (entries.has(entry.name)) throw new ConfigError(`registerMixer: "${entry.name}" is registered already. Give the new mixer another name.`);
  entries.set(entry.name, entry);
}

/** All mixers, in the order of registration. */
export function mixers(): MixerEntry[] {
  return [...entries.values()];
}

/** @throws ConfigError listing the known names. */
export function mixer(name: string): MixerEntry {
  const entry = entries.get(name);
  if (entry === undefined) throw new ConfigError(`Unknown mixer "${name}", expected one of ${[...entries.keys()].join(', ')}.`);
  return entry;
}

const CONSTANT: LayerCapabilities = { state: 'constant', causal: true, runtime: false };

registerMixer({
  name: 'mamba', capabilities: CONSTANT, tiny: { dState: 4, dConv: 3 },
  create: (config, random) => Mamba.create(config as { dModel: number } & Partial<MambaConfig>, { random }),
});
/** Of a layer with its published maximum length; a configuration may declare another. */
const GROWING: LayerCapabilities = { state: 'growing', causal: true, maximumLength: 1024, runtime: false };

registerMixer({
  name: 'h3', capabilities: CONSTANT, tiny: { dState: 4, headDim: 2 },
  create: (config, random) => H3.create(config as { dModel: number } & Partial<H3Config>, { random }),
});
registerMixer({
  name: 'gss', capabilities: CONSTANT, tiny: { expansion: 8, stateSpaceWidth: 3, stateSize: 5 },
  create: (config, random) => Gss.create(config as { dModel: number } & Partial<GssConfig>, { random }),
});
registerMixer({
  name: 'hyena', capabilities: GROWING, tiny: { maximumLength: 24, filterOrder: 8, order: 3 },
  create: (config, random) => Hyena.create(config as { dModel: number } & Partial<HyenaConfig>, { random }),
});
registerMixer({
  name: 'long-conv', capabilities: GROWING, tiny: { maximumLength: 24, channels: 2, smoothing: 3 },
  create: (config, random) => LongConv.create(config as { dModel: number } & Partial<LongConvConfig>, { random }),
});
registerMixer({
  name: 'sgconv', capabilities: GROWING, tiny: { maximumLength: 24, kernelDim: 4 },
  create: (config, random) => SgConv.create(config as { dModel: number } & Partial<SgConvConfig>, { random }),
});
registerMixer({
  name: 'mamba2', capabilities: CONSTANT, tiny: { dState: 4, dConv: 3, headdim: 2, ngroups: 2 },
  create: (config, random) => Mamba2.create(config as GivenMamba2Config, { random }),
});
registerMixer({
  name: 'mamba3', capabilities: CONSTANT, tiny: { dState: 8, headdim: 2, ngroups: 2, isMimo: true, mimoRank: 2, isOutprojNorm: true },
  create: (config, random) => Mamba3.create(config as GivenMamba3Config, { random }),
});
registerMixer({
  name: 'lstm', capabilities: CONSTANT, tiny: {},
  create: (config, random) => Lstm.create(config as { dModel: number } & Partial<RecurrentConfig>, { random }),
});
registerMixer({
  name: 'gru', capabilities: CONSTANT, tiny: { heads: 2 },
  create: (config, random) => Gru.create(config as { dModel: number } & Partial<RecurrentConfig>, { random }),
});
/** Layers on one pattern: `create(config, { random })`. */
const LAYERS: readonly (readonly [string, { create(config: { dModel: number }, options: { random: Random }): SequenceLayer }, MixerEntry['tiny']])[] = [
  ['retnet', RetNet, { numHeads: 3 }],
  ['gla', Gla, { numHeads: 2, expandK: 1, gateLowRankDim: 3 }],
  ['hgrn2', Hgrn2, { expandRatio: 4, numHeads: 2, lowerBound: 0.2 }],
  ['delta-net', DeltaNet, { numHeads: 2, convSize: 3 }],
  ['gated-delta-net', GatedDeltaNet, { numHeads: 2, headDim: 4, convSize: 3 }],
  ['mlstm', Mlstm, { numHeads: 2, conv1dKernelSize: 3, qkvProjBlocksize: 2, roundProjUpToMultipleOf: 4 }],
  // The published models start with outputs of zero, which would hide everything behind them.
  ['rwkv4', Rwkv4, { outputScale: 1 }],
  ['rwkv5', Rwkv5, { headSize: 3, outputScale: 1 }],
  ['rwkv6', Rwkv6, { headSize: 3, maaRank: 2, decayRank: 2, outputScale: 1 }],
  ['rwkv7', Rwkv7, { headSize: 3, decayRank: 2, rateRank: 2, valueRank: 2, gateRank: 4, outputScale: 1 }],
];
for (const [name, layer, tiny] of LAYERS) registerMixer({ name, capabilities: CONSTANT, tiny, create: (config, random) => layer.create(config, { random }) });
registerMixer({
  name: 'identity', capabilities: CONSTANT, tiny: {},
  // The control takes the options of the mixer it replaces and uses none of them: one word changes, nothing else.
  create: ({ dModel }) => new Identity({ dModel }),
});
