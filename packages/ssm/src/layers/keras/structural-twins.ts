import { HIPPO_KEYS, Hippo, hippoConfig, hippoParameters } from '../hippo.ts';
import type { HippoConfig } from '../hippo.ts';
import { LSSL_KEYS, Lssl, lsslConfig, lsslParameters } from '../lssl.ts';
import type { LsslConfig } from '../lssl.ts';
import { DSS_KEYS, Dss, dssConfig, dssParameters } from '../dss.ts';
import type { DssConfig } from '../dss.ts';
import { S4, S4_KEYS, s4Config, s4Parameters } from '../s4.ts';
import type { S4Config } from '../s4.ts';
import { S4D_KEYS, S4d, s4dConfig, s4dParameters } from '../s4d.ts';
import type { S4dConfig } from '../s4d.ts';
import { SequenceTwin } from './sequence-twin.ts';
import type { SequenceTwinArgs, TwinFamily } from './sequence-twin.ts';

type S4Options = Partial<Omit<S4Config, 'dModel'>>;
type S4dOptions = Partial<Omit<S4dConfig, 'dModel'>>;
type HippoOptions = Partial<Omit<HippoConfig, 'dModel'>>;
type LsslOptions = Partial<Omit<LsslConfig, 'dModel'>>;
type DssOptions = Partial<Omit<DssConfig, 'dModel'>>;
export type S4TwinArgs = SequenceTwinArgs & S4Options;
export type S4dTwinArgs = SequenceTwinArgs & S4dOptions;
export type HippoTwinArgs = SequenceTwinArgs & HippoOptions;
export type LsslTwinArgs = SequenceTwinArgs & LsslOptions;
export type DssTwinArgs = SequenceTwinArgs & DssOptions;

/** `S4` as a `tf.layers.Layer`. */
export class S4Twin extends SequenceTwin<S4Options> {
  static readonly className = 'Mamba360S4';
  readonly family: TwinFamily<S4Options> = {
    kind: 's4', stateNames: ['re', 'im'], ownProjection: false, keys: S4_KEYS,
    specs: (_width, units, options) => s4Parameters(s4Config({ ...options, dModel: units })),
    create: (_width, units, options, parameters) => {
      const layer = new S4({ ...options, dModel: units }, parameters);
      layer.correctOutput();
      return layer;
    },
  };
}

/** `S4d` as a `tf.layers.Layer`. */
export class S4dTwin extends SequenceTwin<S4dOptions> {
  static readonly className = 'Mamba360S4d';
  readonly family: TwinFamily<S4dOptions> = {
    kind: 's4d', stateNames: ['re', 'im'], ownProjection: false, keys: S4D_KEYS,
    specs: (_width, units, options) => s4dParameters(s4dConfig({ ...options, dModel: units })),
    create: (_width, units, options, parameters) => new S4d({ ...options, dModel: units }, parameters),
  };
}

/** `Dss` as a `tf.layers.Layer`. */
export class DssTwin extends SequenceTwin<DssOptions> {
  static readonly className = 'Mamba360Dss';
  readonly family: TwinFamily<DssOptions> = {
    kind: 'dss', stateNames: ['re', 'im'], ownProjection: false, keys: DSS_KEYS,
    specs: (_width, units, options) => dssParameters(dssConfig({ ...options, dModel: units })),
    create: (_width, units, options, parameters) => new Dss({ ...options, dModel: units }, parameters),
  };
}

/** `Lssl` as a `tf.layers.Layer`. */
export class LsslTwin extends SequenceTwin<LsslOptions> {
  static readonly className = 'Mamba360Lssl';
  readonly family: TwinFamily<LsslOptions> = {
    kind: 'lssl', stateNames: ['memory'], ownProjection: false, keys: LSSL_KEYS,
    specs: (_width, units, options) => lsslParameters(lsslConfig({ ...options, dModel: units })),
    create: (_width, units, options, parameters) => new Lssl({ ...options, dModel: units }, parameters),
  };
}

/** `Hippo` as a `tf.layers.Layer`. */
export class HippoTwin extends SequenceTwin<HippoOptions> {
  static readonly className = 'Mamba360Hippo';
  readonly family: TwinFamily<HippoOptions>;

  constructor(args: HippoTwinArgs) {
    super(args);
    this.family = {
      kind: 'hippo', stateNames: (args.measure ?? 'legs') === 'legs' ? ['memory', 'steps'] : ['memory'], ownProjection: false, keys: HIPPO_KEYS,
      specs: (_width, units, options) => hippoParameters(hippoConfig({ ...options, dModel: units })),
      create: (_width, units, options, parameters) => new Hippo({ ...options, dModel: units }, parameters),
    };
  }
}

/** LSSL in the form of `tf.layers.lstm`; state `[memory]`. */
export const lssl = (args: LsslTwinArgs): LsslTwin => new LsslTwin(args);

/** HiPPO in the same form; state `[memory]`, with the measure 'legs' `[memory, steps]`. */
export const hippo = (args: HippoTwinArgs): HippoTwin => new HippoTwin(args);

/** S4 for `tf.sequential` and the functional API, where `tf.layers.lstm` stood; state `[re, im]`. */
export const s4 = (args: S4TwinArgs): S4Twin => new S4Twin(args);

/** S4D in the same form; state `[re, im]`. */
export const s4d = (args: S4dTwinArgs): S4dTwin => new S4dTwin(args);

/** DSS in the same form; state `[re, im]`. */
export const dss = (args: DssTwinArgs): DssTwin => new DssTwin(args);

/** Twins of the structural family, for `register`. */
export const STRUCTURAL_TWINS = [HippoTwin, LsslTwin, S4Twin, S4dTwin, DssTwin] as const;
