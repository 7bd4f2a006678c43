import { GLOBAL_CONVOLUTION_KEYS } from '../global-convolution.ts';
import { Gss, gssConfig, gssParameters } from '../gss.ts';
import type { GssConfig } from '../gss.ts';
import { H3, h3Config, h3Parameters } from '../h3.ts';
import type { H3Config } from '../h3.ts';
import { Hyena, hyenaConfig, hyenaParameters } from '../hyena.ts';
import type { HyenaConfig } from '../hyena.ts';
import { LongConv, longConvConfig, longConvParameters } from '../long-conv.ts';
import type { LongConvConfig } from '../long-conv.ts';
import { SgConv, sgConvConfig, sgConvParameters } from '../sgconv.ts';
import type { SgConvConfig } from '../sgconv.ts';
import { Tnn, tnnConfig, tnnParameters } from '../tnn.ts';
import type { TnnConfig } from '../tnn.ts';
import { SequenceTwin } from './sequence-twin.ts';
import type { SequenceTwinArgs, TwinFamily } from './sequence-twin.ts';

type Options<Config> = Partial<Omit<Config, 'dModel'>>;

/** `H3` as a `tf.layers.Layer`. */
export class H3Twin extends SequenceTwin<Options<H3Config>> {
  static readonly className = 'Mamba360H3';
  readonly family: TwinFamily<Options<H3Config>> = {
    kind: 'h3', stateNames: ['shift', 're', 'im'], ownProjection: false, keys: ['dState', 'headDim', 'dtMin', 'dtMax'],
    specs: (_width, units, options) => h3Parameters(h3Config({ ...options, dModel: units })),
    create: (_width, units, options, parameters) => new H3({ ...options, dModel: units }, parameters),
  };
}

/** `Gss` as a `tf.layers.Layer`. */
export class GssTwin extends SequenceTwin<Options<GssConfig>> {
  static readonly className = 'Mamba360Gss';
  readonly family: TwinFamily<Options<GssConfig>> = {
    kind: 'gss', stateNames: ['re', 'im'], ownProjection: false, keys: ['expansion', 'stateSpaceWidth', 'stateSize', 'lambdaImagExp', 'residual'],
    specs: (_width, units, options) => gssParameters(gssConfig({ ...options, dModel: units })),
    create: (_width, units, options, parameters) => new Gss({ ...options, dModel: units }, parameters),
  };
}

/** `Hyena` as a `tf.layers.Layer`. */
export class HyenaTwin extends SequenceTwin<Options<HyenaConfig>> {
  static readonly className = 'Mamba360Hyena';
  readonly family: TwinFamily<Options<HyenaConfig>> = {
    kind: 'hyena', stateNames: ['short', 'long', 'steps'], ownProjection: false,
    keys: ['maximumLength', 'order', 'shortFilterOrder', 'embeddingSize', 'filterOrder', 'innerLayers', 'frequency', 'modulate', 'shift', 'normalized'],
    specs: (_width, units, options) => hyenaParameters(hyenaConfig({ ...options, dModel: units })),
    create: (_width, units, options, parameters) => new Hyena({ ...options, dModel: units }, parameters),
  };
}

/** `LongConv` as a `tf.layers.Layer`. */
export class LongConvTwin extends SequenceTwin<Options<LongConvConfig>> {
  static readonly className = 'Mamba360LongConv';
  readonly family: TwinFamily<Options<LongConvConfig>> = {
    kind: 'long-conv', stateNames: ['history', 'steps'], ownProjection: false, keys: [...GLOBAL_CONVOLUTION_KEYS, 'lambda', 'smoothing', 'init'],
    specs: (_width, units, options) => longConvParameters(longConvConfig({ ...options, dModel: units })),
    create: (_width, units, options, parameters) => new LongConv({ ...options, dModel: units }, parameters),
  };
}

/** `Tnn` as a `tf.layers.Layer`. */
export class TnnTwin extends SequenceTwin<Options<TnnConfig>> {
  static readonly className = 'Mamba360Tnn';
  readonly family: TwinFamily<Options<TnnConfig>> = {
    kind: 'tnn', stateNames: ['history', 'steps'], ownProjection: false, keys: ['maximumLength', 'expand', 'rpeWidth', 'rpeLayers', 'gamma'],
    specs: (_width, units, options) => tnnParameters(tnnConfig({ ...options, dModel: units })),
    create: (_width, units, options, parameters) => new Tnn({ ...options, dModel: units }, parameters),
  };
}

/** `SgConv` as a `tf.layers.Layer`. */
export class SgConvTwin extends SequenceTwin<Options<SgConvConfig>> {
  static readonly className = 'Mamba360SgConv';
  readonly family: TwinFamily<Options<SgConvConfig>> = {
    kind: 'sgconv', stateNames: ['history', 'steps'], ownProjection: false, keys: [...GLOBAL_CONVOLUTION_KEYS, 'kernelDim', 'combine', 'interpolation', 'decayMin', 'decayMax', 'learnableDecay'],
    specs: (_width, units, options) => sgConvParameters(sgConvConfig({ ...options, dModel: units })),
    create: (_width, units, options, parameters) => {
      const layer = new SgConv({ ...options, dModel: units }, parameters);
      layer.normalise();
      return layer;
    },
  };
}

/** Hyena in the form of `tf.layers.lstm`; state `[short, long, steps]`. */
export const hyena = (args: SequenceTwinArgs & Options<HyenaConfig>): HyenaTwin => new HyenaTwin(args);
/** LongConv in the same form; state `[history, steps]`. */
export const longConv = (args: SequenceTwinArgs & Options<LongConvConfig>): LongConvTwin => new LongConvTwin(args);
/** SGConv in the same form; state `[history, steps]`. */
export const sgConv = (args: SequenceTwinArgs & Options<SgConvConfig>): SgConvTwin => new SgConvTwin(args);

/** H3 in the same form; state `[shift, re, im]`. */
export const h3 = (args: SequenceTwinArgs & Options<H3Config>): H3Twin => new H3Twin(args);
/** GSS in the same form; state `[re, im]`. */
export const gss = (args: SequenceTwinArgs & Options<GssConfig>): GssTwin => new GssTwin(args);

/** TNN in the same form; state `[history, steps]`. */
export const tnn = (args: SequenceTwinArgs & Options<TnnConfig>): TnnTwin => new TnnTwin(args);

export const CONVOLUTION_TWINS = [TnnTwin, H3Twin, GssTwin, HyenaTwin, LongConvTwin, SgConvTwin] as const;
