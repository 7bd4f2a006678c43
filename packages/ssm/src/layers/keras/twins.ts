import { tf } from '../../backend/tensorflow.ts';
import { Gru, gruParameters } from '../gru.ts';
import { Lstm, lstmParameters } from '../lstm.ts';
import { mambaConfig } from '../mamba-config.ts';
import type { MambaConfig } from '../mamba-config.ts';
import { mambaParameters } from '../mamba-parameters.ts';
import { Mamba } from '../mamba.ts';
import { MAMBA2_KEYS, mamba2Config } from '../mamba2-config.ts';
import type { Mamba2Config } from '../mamba2-config.ts';
import { mamba2Parameters } from '../mamba2-parameters.ts';
import { Mamba2 } from '../mamba2.ts';
import { MAMBA3_KEYS, mamba3Config } from '../mamba3-config.ts';
import type { Mamba3Config } from '../mamba3-config.ts';
import { mamba3Parameters } from '../mamba3-parameters.ts';
import { Mamba3 } from '../mamba3.ts';
import { recurrentConfig } from '../recurrent-config.ts';
import { CONVOLUTION_TWINS } from './convolution-twins.ts';
import { MATRIX_STATE_TWINS } from './matrix-state-twins.ts';
import { SequenceTwin } from './sequence-twin.ts';
import type { SequenceTwinArgs, TwinFamily } from './sequence-twin.ts';

export type MambaTwinArgs = SequenceTwinArgs & Partial<Omit<MambaConfig, 'dModel'>>;
export type Mamba2TwinArgs = SequenceTwinArgs & Partial<Omit<Mamba2Config, 'dModel'>>;
export type Mamba3TwinArgs = SequenceTwinArgs & Partial<Omit<Mamba3Config, 'dModel'>>;
export type RecurrentTwinArgs = SequenceTwinArgs & { heads?: number };

/** `Mamba` as a `tf.layers.Layer`. */
export class MambaTwin extends SequenceTwin<Partial<Omit<MambaConfig, 'dModel'>>> {
  static readonly className = 'Mamba360Mamba';
  readonly family: TwinFamily<Partial<Omit<MambaConfig, 'dModel'>>> = {
    kind: 'mamba', stateNames: ['convolution', 'ssm'], ownProjection: false,
    keys: ['dState', 'dConv', 'expand', 'dtRank', 'dtMin', 'dtMax', 'dtInit', 'dtScale', 'dtInitFloor', 'convBias', 'bias'],
    specs: (_width, units, options) => mambaParameters(mambaConfig({ ...options, dModel: units })),
    create: (_width, units, options, parameters) => new Mamba({ ...options, dModel: units }, parameters),
  };
}

/** `Mamba2` as a `tf.layers.Layer`. */
export class Mamba2Twin extends SequenceTwin<Partial<Omit<Mamba2Config, 'dModel'>>> {
  static readonly className = 'Mamba360Mamba2';
  readonly family: TwinFamily<Partial<Omit<Mamba2Config, 'dModel'>>> = {
    kind: 'mamba2', stateNames: ['convolution', 'ssm'], ownProjection: false, keys: MAMBA2_KEYS,
    specs: (_width, units, options) => mamba2Parameters(mamba2Config({ ...options, dModel: units })),
    create: (_width, units, options, parameters) => new Mamba2({ ...options, dModel: units }, parameters),
  };
}

/** `Mamba3` as a `tf.layers.Layer`. */
export class Mamba3Twin extends SequenceTwin<Partial<Omit<Mamba3Config, 'dModel'>>> {
  static readonly className = 'Mamba360Mamba3';
  readonly family: TwinFamily<Partial<Omit<Mamba3Config, 'dModel'>>> = {
    kind: 'mamba3', stateNames: ['angle', 'ssm', 'B', 'x'], ownProjection: false, keys: MAMBA3_KEYS,
    specs: (_width, units, options) => mamba3Parameters(mamba3Config({ ...options, dModel: units })),
    create: (_width, units, options, parameters) => new Mamba3({ ...options, dModel: units }, parameters),
  };
}

/** `Lstm` as a `tf.layers.Layer`. */
export class LstmTwin extends SequenceTwin<{ heads?: number }> {
  static readonly className = 'Mamba360Lstm';
  readonly family: TwinFamily<{ heads?: number }> = {
    kind: 'lstm', stateNames: ['hidden', 'cell'], ownProjection: true, keys: ['heads'],
    specs: (dModel, units, options) => lstmParameters(recurrentConfig('lstm', { ...options, dModel, units, projection: false })),
    create: (dModel, units, options, parameters) => new Lstm({ ...options, dModel, units, projection: false }, parameters),
  };
}

/** `Gru` as a `tf.layers.Layer`. */
export class GruTwin extends SequenceTwin<{ heads?: number }> {
  static readonly className = 'Mamba360Gru';
  readonly family: TwinFamily<{ heads?: number }> = {
    kind: 'gru', stateNames: ['hidden'], ownProjection: true, keys: ['heads'],
    specs: (dModel, units, options) => gruParameters(recurrentConfig('gru', { ...options, dModel, units, projection: false })),
    create: (dModel, units, options, parameters) => new Gru({ ...options, dModel, units, projection: false }, parameters),
  };
}

/**
 * Mamba for `tf.sequential` and the functional API, where `tf.layers.lstm` stood.
 *
 * @param args.units - Width of the output. An input of another width is projected first.
 * @param args.returnState - Gives `[output, convolution, ssm]`, which `apply(x, { initialState: [convolution, ssm] })` takes.
 * @example
 * const model = tf.sequential({ layers: [layers.mamba({ units: 32, inputShape: [null, 8] }), tf.layers.dense({ units: 1 })] });
 */
export const mamba = (args: MambaTwinArgs): MambaTwin => new MambaTwin(args);

/** Mamba-2 in the same form; state `[convolution, ssm]`. `headdim` must divide expand x units. */
export const mamba2 = (args: Mamba2TwinArgs): Mamba2Twin => new Mamba2Twin(args);

/** Mamba-3 in the same form; state `[angle, ssm, B, x]`. `headdim` must divide expand x units. */
export const mamba3 = (args: Mamba3TwinArgs): Mamba3Twin => new Mamba3Twin(args);

/** The fused LSTM in the same form; state `[hidden, cell]`. Gates are sigmoid and tanh (`tf.layers.lstm` defaults to a hard sigmoid). */
export const lstm = (args: RecurrentTwinArgs): LstmTwin => new LstmTwin(args);

/** The fused GRU (reset after the product) in the same form; state `[hidden]`. */
export const gru = (args: RecurrentTwinArgs): GruTwin => new GruTwin(args);

/** Lets `tf.loadLayersModel` read models that contain these layers. May be called any number of times. */
export function register(): void {
  for (const twin of [MambaTwin, Mamba2Twin, LstmTwin, GruTwin, ...CONVOLUTION_TWINS, ...MATRIX_STATE_TWINS, Mamba3Twin]) tf.serialization.registerClass(twin as never);
}
