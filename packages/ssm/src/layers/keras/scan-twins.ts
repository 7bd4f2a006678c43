import { Griffin, griffinConfig, griffinParameters } from '../griffin.ts';
import type { GriffinConfig } from '../griffin.ts';
import { Hgrn, hgrnConfig, hgrnParameters } from '../hgrn.ts';
import type { HgrnConfig } from '../hgrn.ts';
import { LdStack, ldStackConfig, ldStackParameters } from '../ldstack.ts';
import type { LdStackConfig } from '../ldstack.ts';
import { LiquidS4, liquidS4Config, liquidS4Parameters } from '../liquid-s4.ts';
import type { LiquidS4Config } from '../liquid-s4.ts';
import { Lru, lruConfig, lruParameters, normaliseInput } from '../lru.ts';
import type { LruConfig } from '../lru.ts';
import { MegaEma, megaEmaConfig, megaEmaParameters } from '../mega-ema.ts';
import type { MegaEmaConfig } from '../mega-ema.ts';
import { megaConfig, megaParameters } from '../mega-parameters.ts';
import type { MegaConfig } from '../mega-parameters.ts';
import { Mega } from '../mega.ts';
import { MinGru, minGruParameters, minimalConfig, MinLstm, minLstmParameters } from '../minimal-recurrent.ts';
import type { MinimalRecurrentConfig } from '../minimal-recurrent.ts';
import type { ParameterSpecs, Parameters } from '../parameters.ts';
import { RgLru, rgLruConfig, rgLruParameters } from '../rg-lru.ts';
import type { RgLruConfig } from '../rg-lru.ts';
import { s5Config, s5Parameters } from '../s5-parameters.ts';
import type { S5Config } from '../s5-parameters.ts';
import { S5 } from '../s5.ts';
import type { SequenceLayer } from '../sequence-layer.ts';
import { SequenceTwin } from './sequence-twin.ts';
import type { SequenceTwinArgs, TwinFamily } from './sequence-twin.ts';

/** Options of a family without its width; a twin cannot be bidirectional because it returns a state. */
type Options<C> = Partial<Omit<C, 'dModel' | 'bidirectional'>>;

interface Family<C> {
  readonly kind: string;
  readonly stateNames: readonly string[];
  readonly keys: readonly (keyof Options<C> & string)[];
  specs(config: { dModel: number } & Options<C>): ParameterSpecs;
  create(config: { dModel: number } & Options<C>, parameters: Parameters): SequenceLayer;
}

/** The part of a twin that differs from family to family. */
function familyOf<C>({ kind, stateNames, keys, specs, create }: Family<C>): TwinFamily<Options<C>> {
  return {
    kind, stateNames, keys, ownProjection: false,
    specs: (_width, units, options) => specs({ ...options, dModel: units }),
    create: (_width, units, options, parameters) => create({ ...options, dModel: units }, parameters),
  };
}

/** `Lru` as a `tf.layers.Layer`. */
export class LruTwin extends SequenceTwin<Options<LruConfig>> {
  static readonly className = 'Mamba360Lru';
  readonly family = familyOf<LruConfig>({
    kind: 'lru', stateNames: ['re', 'im'], keys: ['dState', 'rMin', 'rMax', 'maxPhase'],
    specs: (config) => lruParameters(lruConfig(config)), create: (config, parameters) => new Lru(config, normaliseInput(parameters)),
  });
}

/** `S5` as a `tf.layers.Layer`. */
export class S5Twin extends SequenceTwin<Options<S5Config>> {
  static readonly className = 'Mamba360S5';
  readonly family = familyOf<S5Config>({
    kind: 's5', stateNames: ['re', 'im'],
    keys: ['ssmSize', 'blocks', 'discretization', 'conjSym', 'clipEigs', 'stepRescale', 'dtMin', 'dtMax', 'activation', 'norm', 'prenorm', 'residual'],
    specs: (config) => s5Parameters(s5Config(config)), create: (config, parameters) => new S5(config, parameters),
  });
}

/** `LiquidS4` as a `tf.layers.Layer`. */
export class LiquidS4Twin extends SequenceTwin<Options<LiquidS4Config>> {
  static readonly className = 'Mamba360LiquidS4';
  readonly family = familyOf<LiquidS4Config>({
    kind: 'liquid-s4', stateNames: ['re', 'im'], keys: ['dState', 'dtMin', 'dtMax', 'liquid'],
    specs: (config) => liquidS4Parameters(liquidS4Config(config)), create: (config, parameters) => new LiquidS4(config, parameters),
  });
}

/** `LdStack` as a `tf.layers.Layer`. */
export class LdStackTwin extends SequenceTwin<Options<LdStackConfig>> {
  static readonly className = 'Mamba360LdStack';
  readonly family = familyOf<LdStackConfig>({
    kind: 'ldstack', stateNames: ['re', 'im'], keys: ['dState', 'projections', 'depth'],
    specs: (config) => ldStackParameters(ldStackConfig(config)), create: (config, parameters) => new LdStack(config, parameters),
  });
}

/** `Hgrn` as a `tf.layers.Layer`. */
export class HgrnTwin extends SequenceTwin<Options<HgrnConfig>> {
  static readonly className = 'Mamba360Hgrn';
  readonly family = familyOf<HgrnConfig>({
    kind: 'hgrn', stateNames: ['hidden'], keys: ['expandRatio', 'lowerBound', 'normEps'],
    specs: (config) => hgrnParameters(hgrnConfig(config)), create: (config, parameters) => new Hgrn(config, parameters),
  });
}

/** `RgLru` as a `tf.layers.Layer`. */
export class RgLruTwin extends SequenceTwin<Options<RgLruConfig>> {
  static readonly className = 'Mamba360RgLru';
  readonly family = familyOf<RgLruConfig>({
    kind: 'rg-lru', stateNames: ['hidden', 'begun'], keys: ['numHeads'],
    specs: (config) => rgLruParameters(rgLruConfig(config)), create: (config, parameters) => new RgLru(config, parameters),
  });
}

/** `Griffin` as a `tf.layers.Layer`. */
export class GriffinTwin extends SequenceTwin<Options<GriffinConfig>> {
  static readonly className = 'Mamba360Griffin';
  readonly family = familyOf<GriffinConfig>({
    kind: 'griffin', stateNames: ['convolution', 'hidden', 'begun'], keys: ['lruWidth', 'numHeads', 'conv1dTemporalWidth'],
    specs: (config) => griffinParameters(griffinConfig(config)), create: (config, parameters) => new Griffin(config, parameters),
  });
}

/** `MegaEma` as a `tf.layers.Layer`. */
export class MegaEmaTwin extends SequenceTwin<Options<MegaEmaConfig>> {
  static readonly className = 'Mamba360MegaEma';
  readonly family = familyOf<MegaEmaConfig>({
    kind: 'mega-ema', stateNames: ['average'], keys: ['ndim'],
    specs: (config) => megaEmaParameters(megaEmaConfig(config)), create: (config, parameters) => new MegaEma(config, parameters),
  });
}

/** `Mega` as a `tf.layers.Layer`. */
export class MegaTwin extends SequenceTwin<Options<MegaConfig>> {
  static readonly className = 'Mamba360Mega';
  readonly family = familyOf<MegaConfig>({
    kind: 'mega', stateNames: ['average', 'key', 'value', 'position'],
    keys: ['zdim', 'hdim', 'ndim', 'attentionActivation', 'chunkSize', 'relPosBias', 'maxPositions', 'norm'],
    specs: (config) => megaParameters(megaConfig(config)), create: (config, parameters) => new Mega(config, parameters),
  });
}

/** `MinGru` as a `tf.layers.Layer`. */
export class MinGruTwin extends SequenceTwin<Options<MinimalRecurrentConfig>> {
  static readonly className = 'Mamba360MinGru';
  readonly family = familyOf<MinimalRecurrentConfig>({
    kind: 'mingru', stateNames: ['hidden'], keys: ['expand'],
    specs: (config) => minGruParameters(minimalConfig('minGRU', config)), create: (config, parameters) => new MinGru(config, parameters),
  });
}

/** `MinLstm` as a `tf.layers.Layer`. */
export class MinLstmTwin extends SequenceTwin<Options<MinimalRecurrentConfig>> {
  static readonly className = 'Mamba360MinLstm';
  readonly family = familyOf<MinimalRecurrentConfig>({
    kind: 'minlstm', stateNames: ['hidden'], keys: ['expand'],
    specs: (config) => minLstmParameters(minimalConfig('minLSTM', config)), create: (config, parameters) => new MinLstm(config, parameters),
  });
}

/** LRU in the form of `tf.layers.lstm`; state `[re, im]`. */
export const lru = (args: SequenceTwinArgs & Options<LruConfig>): LruTwin => new LruTwin(args);
/** S5 in the same form; state `[re, im]`. */
export const s5 = (args: SequenceTwinArgs & Options<S5Config>): S5Twin => new S5Twin(args);
/** Liquid-S4 in the same form; state `[re, im]`. */
export const liquidS4 = (args: SequenceTwinArgs & Options<LiquidS4Config>): LiquidS4Twin => new LiquidS4Twin(args);
/** LDStack in the same form; state `[re, im]`. */
export const ldStack = (args: SequenceTwinArgs & Options<LdStackConfig>): LdStackTwin => new LdStackTwin(args);
/** HGRN in the same form; state `[hidden]`. */
export const hgrn = (args: SequenceTwinArgs & Options<HgrnConfig>): HgrnTwin => new HgrnTwin(args);
/** RG-LRU in the same form; state `[hidden, begun]`. */
export const rgLru = (args: SequenceTwinArgs & Options<RgLruConfig>): RgLruTwin => new RgLruTwin(args);
/** Griffin's recurrent block in the same form; state `[convolution, hidden, begun]`. */
export const griffin = (args: SequenceTwinArgs & Options<GriffinConfig>): GriffinTwin => new GriffinTwin(args);
/** Mega's damped average in the same form; state `[average]`. */
export const megaEma = (args: SequenceTwinArgs & Options<MegaEmaConfig>): MegaEmaTwin => new MegaEmaTwin(args);
/** Mega, with `chunkSize` Mega-chunk, in the same form; state `[average, key, value, position]`. */
export const mega = (args: SequenceTwinArgs & Options<MegaConfig>): MegaTwin => new MegaTwin(args);
/** minGRU in the same form; state `[hidden]`. */
export const minGru = (args: SequenceTwinArgs & Options<MinimalRecurrentConfig>): MinGruTwin => new MinGruTwin(args);
/** minLSTM in the same form; state `[hidden]`. */
export const minLstm = (args: SequenceTwinArgs & Options<MinimalRecurrentConfig>): MinLstmTwin => new MinLstmTwin(args);

export const SCAN_TWINS = [LruTwin, S5Twin, LiquidS4Twin, LdStackTwin, HgrnTwin, RgLruTwin, GriffinTwin, MegaEmaTwin, MegaTwin, MinGruTwin, MinLstmTwin] as const;
