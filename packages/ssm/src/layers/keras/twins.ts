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
import { Attention, ATTENTION_KEYS, attentionConfig, attentionParameters } from '../attention.ts';
import type { AttentionConfig } from '../attention.ts';
import { Ltc, ltcConfig, ltcParameters } from '../ltc.ts';
import { recurrentConfig } from '../recurrent-config.ts';
import { Rnn, rnnParameters } from '../rnn.ts';
import { Slstm, slstmConfig, slstmParameters } from '../slstm.ts';
import type { SlstmConfig } from '../slstm.ts';
import { CONVOLUTION_TWINS } from './convolution-twins.ts';
import { MATRIX_STATE_TWINS } from './matrix-state-twins.ts';
import { STRUCTURAL_TWINS } from './structural-twins.ts';
import { SCAN_TWINS } from './scan-twins.ts';
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

/** `Rnn` as a `tf.layers.Layer`. */
export class RnnTwin extends SequenceTwin<{ heads?: number }> {
  static readonly className = 'Mamba360Rnn';
  readonly family: TwinFamily<{ heads?: number }> = {
    kind: 'rnn', stateNames: ['hidden'], ownProjection: true, keys: ['heads'],
    specs: (dModel, units, options) => rnnParameters(recurrentConfig('rnn', { ...options, dModel, units, projection: false })),
    create: (dModel, units, options, parameters) => new Rnn({ ...options, dModel, units, projection: false }, parameters),
  };
}

type LtcOptions = { heads?: number; unfolds?: number; timeStep?: number };

/** `Ltc` as a `tf.layers.Layer`. */
export class LtcTwin extends SequenceTwin<LtcOptions> {
  static readonly className = 'Mamba360Ltc';
  readonly family: TwinFamily<LtcOptions> = {
    kind: 'ltc', stateNames: ['hidden'], ownProjection: true, keys: ['heads', 'unfolds', 'timeStep'],
    specs: (dModel, units, options) => ltcParameters(ltcConfig({ ...options, dModel, units, projection: false })),
    create: (dModel, units, options, parameters) => new Ltc({ ...options, dModel, units, projection: false }, parameters),
  };
}

type SlstmOptions = Partial<Omit<SlstmConfig, 'dModel' | 'conv1dKernelSize'>> & { conv1dKernelSize?: number };

/** `Slstm` as a `tf.layers.Layer`, with a convolution of at least width 1. */
export class SlstmTwin extends SequenceTwin<SlstmOptions> {
  static readonly className = 'Mamba360Slstm';
  readonly family: TwinFamily<SlstmOptions> = {
    kind: 'slstm', stateNames: ['convolution', 'hidden', 'cell', 'normaliser', 'maximum'], ownProjection: false, keys: ['numHeads', 'conv1dKernelSize', 'blockIdx', 'numBlocks'],
    specs: (_width, units, options) => slstmParameters(slstmConfig({ ...options, dModel: units })),
    create: (_width, units, options, parameters) => new Slstm({ ...options, dModel: units }, parameters),
  };
}

/** `Attention` over a window as a `tf.layers.Layer`: keys and values of the last `window` - 1 steps are its state. */
export class AttentionTwin extends SequenceTwin<Partial<Omit<AttentionConfig, 'dModel'>>> {
  static readonly className = 'Mamba360Attention';
  readonly family: TwinFamily<Partial<Omit<AttentionConfig, 'dModel'>>> = {
    kind: 'attention', stateNames: ['keys', 'values', 'position'], ownProjection: false, keys: ATTENTION_KEYS.filter((key) => key !== 'causal'),
    specs: (_width, units, options) => attentionParameters(attentionConfig({ ...options, dModel: units })),
    create: (_width, units, options, parameters) => new Attention({ ...options, dModel: units }, parameters),
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

/** The fused simple recurrent network in the same form; state `[hidden]`. */
export const rnn = (args: SequenceTwinArgs & { heads?: number }): RnnTwin => new RnnTwin(args);

/** The liquid time-constant network in the same form; state `[hidden]`. */
export const ltc = (args: SequenceTwinArgs & LtcOptions): LtcTwin => new LtcTwin(args);

/** The scalar memory of xLSTM in the same form; state `[convolution, hidden, cell, normaliser, maximum]`. */
export const slstm = (args: SequenceTwinArgs & SlstmOptions): SlstmTwin => new SlstmTwin(args);

/** Causal attention in the same form; state `[keys, values, position]`. With `window` its size does not depend on `maximumLength`. */
export const attention = (args: SequenceTwinArgs & Partial<Omit<AttentionConfig, 'dModel' | 'causal'>>): AttentionTwin => new AttentionTwin(args);

/** Lets `tf.loadLayersModel` read models that contain these layers. May be called any number of times. */
export function register(): void {
  for (const twin of [MambaTwin, Mamba2Twin, LstmTwin, GruTwin, ...CONVOLUTION_TWINS, ...MATRIX_STATE_TWINS, Mamba3Twin, RnnTwin, LtcTwin, SlstmTwin, AttentionTwin, ...STRUCTURAL_TWINS, ...SCAN_TWINS]) tf.serialization.registerClass(twin as never);
}
