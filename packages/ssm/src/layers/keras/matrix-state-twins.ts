import { deltaNetConfig, DeltaNet, deltaNetParameters } from '../delta-net.ts';
import type { DeltaNetConfig } from '../delta-net.ts';
import { gatedDeltaNetConfig, GatedDeltaNet, gatedDeltaNetParameters } from '../gated-delta-net.ts';
import type { GatedDeltaNetConfig } from '../gated-delta-net.ts';
import { Gla, glaConfig, glaParameters } from '../gla.ts';
import type { GlaConfig } from '../gla.ts';
import { Hgrn2, hgrn2Config, hgrn2Parameters } from '../hgrn2.ts';
import type { Hgrn2Config } from '../hgrn2.ts';
import { Mlstm, mlstmConfig, mlstmParameters } from '../mlstm.ts';
import type { MlstmConfig } from '../mlstm.ts';
import type { Parameters, ParameterSpecs } from '../parameters.ts';
import { RetNet, retnetConfig, retnetParameters } from '../retnet.ts';
import type { RetNetConfig } from '../retnet.ts';
import { RwkvChannelMix, rwkvChannelMixConfig, rwkvChannelMixParameters } from '../rwkv-channel-mix.ts';
import type { RwkvChannelMixConfig } from '../rwkv-channel-mix.ts';
import { Rwkv4, rwkv4Config, rwkv4Parameters } from '../rwkv4.ts';
import type { Rwkv4Config } from '../rwkv4.ts';
import { Rwkv5, rwkv5Config, rwkv5Parameters } from '../rwkv5.ts';
import type { Rwkv5Config } from '../rwkv5.ts';
import { Rwkv6, rwkv6Config, rwkv6Parameters } from '../rwkv6.ts';
import type { Rwkv6Config } from '../rwkv6.ts';
import { Rwkv7, rwkv7Config, rwkv7Parameters } from '../rwkv7.ts';
import type { Rwkv7Config } from '../rwkv7.ts';
import type { SequenceLayer } from '../sequence-layer.ts';
import { SequenceTwin } from './sequence-twin.ts';
import type { SequenceTwinArgs, TwinFamily } from './sequence-twin.ts';

type Options<C extends { readonly dModel: number }> = Partial<Omit<C, 'dModel'>>;
export type MatrixStateTwinArgs<C extends { readonly dModel: number }> = SequenceTwinArgs & Options<C>;
type TwinClass<C extends { readonly dModel: number }> = { readonly className: string; new (args: MatrixStateTwinArgs<C>): SequenceTwin<Options<C>> };

interface TwinDefinition<C extends { readonly dModel: number }> {
  readonly className: string;
  readonly stateNames: readonly string[];
  readonly keys: readonly (keyof Options<C> & string)[];
  readonly complete: (given: { dModel: number } & Partial<C>) => C;
  readonly parameters: (config: C) => ParameterSpecs;
  readonly layer: { readonly kind: string; new (config: { dModel: number } & Partial<C>, parameters: Parameters): SequenceLayer };
}

/** A layer of the common pattern (config, parameters by config, class) as a `tf.layers.Layer`. */
function twinOf<C extends { readonly dModel: number }>({ className, stateNames, keys, complete, parameters, layer }: TwinDefinition<C>): TwinClass<C> {
  return class extends SequenceTwin<Options<C>> {
    static readonly className = className;
    readonly family: TwinFamily<Options<C>> = {
      kind: layer.kind, stateNames, ownProjection: false, keys,
      specs: (_width, units, options) => parameters(complete({ ...options, dModel: units } as { dModel: number } & Partial<C>)),
      create: (_width, units, options, own) => new layer({ ...options, dModel: units } as { dModel: number } & Partial<C>, own),
    };
  };
}

const PLACE = ['layerIndex', 'layers', 'outputScale'] as const;

export const RetNetTwin = twinOf<RetNetConfig>({
  className: 'Mamba360RetNet', layer: RetNet, stateNames: ['matrix', 'position'], keys: ['valueDim', 'numHeads', 'layernormEps'], complete: retnetConfig, parameters: retnetParameters,
});
export const GlaTwin = twinOf<GlaConfig>({
  className: 'Mamba360Gla', layer: Gla, stateNames: ['matrix'], keys: ['numHeads', 'expandK', 'expandV', 'gateLowRankDim', 'gateLogitNormalizer', 'normEps'],
  complete: glaConfig, parameters: glaParameters,
});
export const Hgrn2Twin = twinOf<Hgrn2Config>({
  className: 'Mamba360Hgrn2', layer: Hgrn2, stateNames: ['matrix'], keys: ['expandRatio', 'numHeads', 'lowerBound', 'normEps'], complete: hgrn2Config, parameters: hgrn2Parameters,
});
export const DeltaNetTwin = twinOf<DeltaNetConfig>({
  className: 'Mamba360DeltaNet', layer: DeltaNet, stateNames: ['convolution', 'matrix'], keys: ['numHeads', 'expandK', 'expandV', 'convSize', 'allowNegEigval', 'normEps'],
  complete: deltaNetConfig, parameters: deltaNetParameters,
});
export const GatedDeltaNetTwin = twinOf<GatedDeltaNetConfig>({
  className: 'Mamba360GatedDeltaNet', layer: GatedDeltaNet, stateNames: ['convolution', 'matrix'], keys: ['numHeads', 'headDim', 'expandV', 'convSize', 'allowNegEigval', 'normEps'],
  complete: gatedDeltaNetConfig, parameters: gatedDeltaNetParameters,
});
export const MlstmTwin = twinOf<MlstmConfig>({
  className: 'Mamba360Mlstm', layer: Mlstm, stateNames: ['convolution', 'matrix', 'normaliser', 'maximum'],
  keys: ['numHeads', 'conv1dKernelSize', 'qkvProjBlocksize', 'projFactor', 'roundProjUpToMultipleOf', 'bias', 'numBlocks'], complete: mlstmConfig, parameters: mlstmParameters,
});
export const Rwkv4Twin = twinOf<Rwkv4Config>({
  className: 'Mamba360Rwkv4', layer: Rwkv4, stateNames: ['shift', 'numerator', 'denominator', 'maximum'], keys: PLACE, complete: rwkv4Config, parameters: rwkv4Parameters,
});
export const Rwkv5Twin = twinOf<Rwkv5Config>({
  className: 'Mamba360Rwkv5', layer: Rwkv5, stateNames: ['shift', 'matrix'], keys: [...PLACE, 'headSize'], complete: rwkv5Config, parameters: rwkv5Parameters,
});
export const Rwkv6Twin = twinOf<Rwkv6Config>({
  className: 'Mamba360Rwkv6', layer: Rwkv6, stateNames: ['shift', 'matrix'], keys: [...PLACE, 'headSize', 'maaRank', 'decayRank'], complete: rwkv6Config, parameters: rwkv6Parameters,
});
export const Rwkv7Twin = twinOf<Rwkv7Config>({
  className: 'Mamba360Rwkv7', layer: Rwkv7, stateNames: ['shift', 'matrix'], keys: [...PLACE, 'headSize', 'decayRank', 'rateRank', 'valueRank', 'gateRank'],
  complete: rwkv7Config, parameters: rwkv7Parameters,
});
export const RwkvChannelMixTwin = twinOf<RwkvChannelMixConfig>({
  className: 'Mamba360RwkvChannelMix', layer: RwkvChannelMix, stateNames: ['shift'], keys: [...PLACE, 'version', 'dimFfn'], complete: rwkvChannelMixConfig, parameters: rwkvChannelMixParameters,
});

/** For `register()`. */
export const MATRIX_STATE_TWINS = [RetNetTwin, GlaTwin, Hgrn2Twin, DeltaNetTwin, GatedDeltaNetTwin, MlstmTwin, Rwkv4Twin, Rwkv5Twin, Rwkv6Twin, Rwkv7Twin, RwkvChannelMixTwin];

type Twin<C extends { readonly dModel: number }> = (args: MatrixStateTwinArgs<C>) => SequenceTwin<Options<C>>;

/** Retention where `tf.layers.lstm` stood; state `[matrix, position]`. `numHeads` must divide units into even parts. */
export const retnet: Twin<RetNetConfig> = (args) => new RetNetTwin(args);
/** Gated linear attention; state `[matrix]`. `numHeads` must divide units and half of units. */
export const gla: Twin<GlaConfig> = (args) => new GlaTwin(args);
/** HGRN2; state `[matrix]`. Units below 128 need `numHeads` and `expandRatio`. */
export const hgrn2: Twin<Hgrn2Config> = (args) => new Hgrn2Twin(args);
/** DeltaNet; state `[convolution, matrix]`. `numHeads` must divide units. */
export const deltaNet: Twin<DeltaNetConfig> = (args) => new DeltaNetTwin(args);
/** Gated DeltaNet; state `[convolution, matrix]`. Its heads are 6 of width 256 unless `numHeads` and `headDim` say otherwise. */
export const gatedDeltaNet: Twin<GatedDeltaNetConfig> = (args) => new GatedDeltaNetTwin(args);
/** xLSTM's mLSTM; state `[convolution, matrix, normaliser, maximum]`. */
export const mlstm: Twin<MlstmConfig> = (args) => new MlstmTwin(args);
/** RWKV-4's time mix; state `[shift, numerator, denominator, maximum]`. Outputs start at 0 unless `outputScale` is given. */
export const rwkv4: Twin<Rwkv4Config> = (args) => new Rwkv4Twin(args);
/** RWKV-5's time mix; state `[shift, matrix]`. `headSize` (64) must divide units. */
export const rwkv5: Twin<Rwkv5Config> = (args) => new Rwkv5Twin(args);
/** RWKV-6's time mix; state `[shift, matrix]`. `headSize` (64) must divide units. */
export const rwkv6: Twin<Rwkv6Config> = (args) => new Rwkv6Twin(args);
/** RWKV-7's time mix; state `[shift, matrix]`. `headSize` (64) must divide units. */
export const rwkv7: Twin<Rwkv7Config> = (args) => new Rwkv7Twin(args);
/** RWKV's channel mix; state `[shift]`. */
export const rwkvChannelMix: Twin<RwkvChannelMixConfig> = (args) => new RwkvChannelMixTwin(args);
