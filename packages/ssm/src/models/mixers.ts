import { ConfigError } from '../errors/index.ts';
import { Gru, Identity, Lstm, Mamba, Mamba2, Mamba3 } from '../layers/index.ts';
import type { GivenMamba2Config, LayerCapabilities, MambaConfig, RecurrentConfig, SequenceLayer, GivenMamba3Config } from '../layers/index.ts';
import { DeltaNet, GatedDeltaNet, Gla, Hgrn2, Mlstm, RetNet, Rwkv4, Rwkv5, Rwkv6, Rwkv7 } from '../layers/index.ts';
import { Gss, H3, Hyena, LongConv, SgConv, Tnn } from '../layers/index.ts';
import type { GssConfig, H3Config, HyenaConfig, LongConvConfig, SgConvConfig, TnnConfig } from '../layers/index.ts';
import { Attention, Bidirectional, Ltc, MultiDirectional, Rnn, SCAN_ORDERS, Slstm } from '../layers/index.ts';
import type { AttentionConfig, BidirectionalMode, LtcConfig, SlstmConfig } from '../layers/index.ts';
import { Dss, Hippo, Lssl, S4, S4d } from '../layers/index.ts';
import { Griffin, Hgrn, LdStack, LiquidS4, Lru, Mega, MegaEma, MinGru, MinLstm, RgLru, S5 } from '../layers/index.ts';
import type { MegaConfig } from '../layers/index.ts';
import type { Random } from '../random/index.ts';
import { createBlackMamba } from './blackmamba.ts';
import { createJamba } from './jamba.ts';
import { createMambaFormer } from './mambaformer.ts';
import { createMoeMamba } from './moe-mamba.ts';
import { createTransformerDecoder, createTransformerEncoder } from './transformer.ts';

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

function refuse(name: string, rest: object, known: string): void {
  const [key] = Object.keys(rest);
  if (key !== undefined) throw new ConfigError(`${name}: unknown option "${key}", expected one of ${known}.`);
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
  name: 'tnn', capabilities: GROWING, tiny: { maximumLength: 24, expand: 2, rpeWidth: 4, rpeLayers: 1 },
  create: (config, random) => Tnn.create(config as { dModel: number } & Partial<TnnConfig>, { random }),
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
registerMixer({
  name: 'rnn', capabilities: CONSTANT, tiny: { heads: 2 },
  create: (config, random) => Rnn.create(config as { dModel: number } & Partial<RecurrentConfig>, { random }),
});
registerMixer({
  name: 'ltc', capabilities: CONSTANT, tiny: { unfolds: 3 },
  create: (config, random) => Ltc.create(config as { dModel: number } & Partial<LtcConfig>, { random }),
});
registerMixer({
  name: 'slstm', capabilities: CONSTANT, tiny: { numHeads: 2, conv1dKernelSize: 3 },
  create: (config, random) => Slstm.create(config as { dModel: number } & Partial<SlstmConfig>, { random }),
});

const ATTENDING: LayerCapabilities = { state: 'growing', causal: true, maximumLength: 2048, runtime: false };
const BOTH_WAYS: LayerCapabilities = { state: 'none', causal: false, runtime: false };
const SHORT = { numHeads: 3, maximumLength: 40 };
registerMixer({
  name: 'attention', capabilities: ATTENDING, tiny: { ...SHORT, numKeyValueHeads: 1 },
  create: (config, random) => Attention.create(config as { dModel: number } & Partial<AttentionConfig>, { random }),
});
registerMixer({
  name: 'sliding-attention', capabilities: CONSTANT, tiny: { numHeads: 3, window: 4 },
  create: (config, random) => Attention.create({ window: 128, ...config } as { dModel: number } & Partial<AttentionConfig>, { random }),
});
registerMixer({ name: 'transformer-decoder', capabilities: ATTENDING, tiny: { attention: SHORT, hidden: 8 }, create: (config, random) => createTransformerDecoder(config, { random }) });
registerMixer({ name: 'bidirectional-transformer', capabilities: BOTH_WAYS, tiny: { attention: { numHeads: 3 }, hidden: 8 }, create: (config, random) => createTransformerEncoder(config, { random }) });
registerMixer({ name: 'moe-mamba', capabilities: CONSTANT, tiny: { mamba: { dState: 4 }, experts: { numExperts: 3 }, hidden: 4 }, create: (config, random) => createMoeMamba(config, { random }) });
registerMixer({ name: 'blackmamba', capabilities: CONSTANT, tiny: { mamba: { dState: 4 }, experts: { numExperts: 3, activation: 'gelu' }, hidden: 4 }, create: (config, random) => createBlackMamba(config, { random }) });
registerMixer({ name: 'mambaformer', capabilities: ATTENDING, tiny: { mamba: { dState: 4 }, attention: SHORT }, create: (config, random) => createMambaFormer(config, { random }) });
registerMixer({
  name: 'jamba', capabilities: ATTENDING, tiny: { numHiddenLayers: 2, attnLayerPeriod: 2, attnLayerOffset: 1, mamba: { dState: 4 }, attention: SHORT, experts: { numExperts: 3, topK: 2 }, hidden: 4 },
  create: (config, random) => createJamba(config, { random }),
});
registerMixer({
  name: 'bidirectional', capabilities: BOTH_WAYS, tiny: { mixer: 'gru' },
  create: ({ dModel, mixer: name = 'mamba', mode = 'add', mixerCfg = {}, ...rest }, random) => {
    refuse('bidirectional', rest, 'dModel, mixer, mixerCfg, mode');
    if (mode === 'concatenate') throw new ConfigError("bidirectional: mode 'concatenate' doubles the width, which a residual block cannot add. Use 'add', or build the layer by itself.");
    const inner = (direction: string): SequenceLayer => mixer(String(name)).create({ ...(mixerCfg as object), dModel }, random.split(direction));
    return mode === 'reverse-complement' ? new Bidirectional(mode, inner('forward')) : new Bidirectional(mode as BidirectionalMode, inner('forward'), inner('backward'));
  },
});
registerMixer({
  name: 'multi-directional', capabilities: BOTH_WAYS, tiny: { mixer: 'gru', width: 2 },
  create: ({ dModel, mixer: name = 'mamba', mixerCfg = {}, width, ...rest }, random) => {
    refuse('multi-directional', rest, 'dModel, mixer, mixerCfg, width');
    return new MultiDirectional({ width: width as number }, SCAN_ORDERS.map((order) => mixer(String(name)).create({ ...(mixerCfg as object), dModel }, random.split(order))));
  },
});
/** Layers on one pattern: `create(config, { random })`. */
const LAYERS: readonly (readonly [string, { create(config: { dModel: number }, options: { random: Random }): SequenceLayer }, MixerEntry['tiny']])[] = [
  ['retnet', RetNet, { numHeads: 3 }],
  ['gla', Gla, { numHeads: 2, expandK: 1, gateLowRankDim: 3 }],
  ['hgrn2', Hgrn2, { expandRatio: 4, numHeads: 2, lowerBound: 0.2 }],
  ['delta-net', DeltaNet, { numHeads: 2, convSize: 3 }],
  ['gated-delta-net', GatedDeltaNet, { numHeads: 2, headDim: 4, convSize: 3 }],
  ['mlstm', Mlstm, { numHeads: 2, conv1dKernelSize: 3, qkvProjBlocksize: 2, roundProjUpToMultipleOf: 4 }],
  ['lru', Lru, { dState: 4 }],
  ['s5', S5, { ssmSize: 8, blocks: 2 }],
  ['liquid-s4', LiquidS4, { dState: 4 }],
  ['ldstack', LdStack, { dState: 4, projections: 3 }],
  ['hgrn', Hgrn, { lowerBound: 0.2 }],
  ['rg-lru', RgLru, { numHeads: 2 }],
  ['griffin', Griffin, { lruWidth: 8, numHeads: 2, conv1dTemporalWidth: 3 }],
  ['mingru', MinGru, { expand: 2 }],
  ['minlstm', MinLstm, { expand: 2 }],
  ['mega-ema', MegaEma, { ndim: 3 }],
  ['mega-chunk', Mega, { ndim: 3, zdim: 4, hdim: 8, chunkSize: 4, maxPositions: 4, attentionActivation: 'laplace' }],
  // The published models start with outputs of zero, which would hide everything behind them.
  ['rwkv4', Rwkv4, { outputScale: 1 }],
  ['rwkv5', Rwkv5, { headSize: 3, outputScale: 1 }],
  ['rwkv6', Rwkv6, { headSize: 3, maaRank: 2, decayRank: 2, outputScale: 1 }],
  ['rwkv7', Rwkv7, { headSize: 3, decayRank: 2, rateRank: 2, valueRank: 2, gateRank: 4, outputScale: 1 }],
];
/** Structural models: time-invariant systems. */
const STRUCTURAL: typeof LAYERS = [
  ['hippo', Hippo, { dState: 4 }],
  ['hippo-legt', { create: (config, options) => Hippo.create({ measure: 'legt', theta: 8, ...config }, options) }, { dState: 4 }],
  ['lssl', Lssl, { dState: 4, channels: 2 }],
  ['s4', S4, { dState: 8, lMax: 16 }],
  ['s4d', S4d, { dState: 8, init: 'diag-legs', nSsm: 3 }],
  ['dss', Dss, { dState: 3, lMax: 16 }],
];
for (const [name, layer, tiny] of [...LAYERS, ...STRUCTURAL]) registerMixer({ name, capabilities: CONSTANT, tiny, create: (config, random) => layer.create(config, { random }) });
registerMixer({
  name: 'mega', capabilities: { state: 'growing', maximumLength: 1024, causal: true, runtime: false }, tiny: { ndim: 3, zdim: 4, hdim: 8, maxPositions: 64 },
  create: (config, random) => Mega.create(config as { dModel: number } & Partial<MegaConfig>, { random }),
});
registerMixer({
  name: 'identity', capabilities: CONSTANT, tiny: {},
  // The control takes the options of the mixer it replaces and uses none of them: one word changes, nothing else.
  create: ({ dModel }) => new Identity({ dModel }),
});
