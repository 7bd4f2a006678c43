import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../errors/index.ts';
import { hippoTransition } from '../math/index.ts';
import type { HippoMeasure } from '../math/index.ts';
import { createSystemCache, lsslScan } from '../ops/index.ts';
import { fanInUniform, normal } from '../random/index.ts';
import { gelu } from './activations.ts';
import { affine } from './affine.ts';
import { camelKeys } from './mamba-config.ts';
import { assignParameters, createParameters, disposeParameters } from './parameters.ts';
import type { Parameters, ParameterSpecs, WeightSource } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import { sequenceOptions } from './sequence-layer.ts';
import type { ApplyOptions, LayerCapabilities, SequenceLayer, SequenceResult } from './sequence-layer.ts';
import { wholeNumber } from './state-space-layer.ts';
import { logUniformSteps } from './state-space-parameters.ts';
import { checkState, zeroState } from './state.ts';
import type { StateSpec } from './state.ts';

export interface LsslConfig {
  readonly dModel: number;
  /** State size N. Default 64; the dense state equation costs N^2 a step and N^3 for each channel and change of the parameters. */
  readonly dState: number;
  /** Outputs of each channel's system. Default 1. */
  readonly channels: number;
  /** HiPPO measure of the first A and B. Default 'legs'. */
  readonly measure: HippoMeasure;
  /** First steps are log-uniform in [dtMin, dtMax]. Default .001 and .1. */
  readonly dtMin: number;
  readonly dtMax: number;
  /** A linear map behind the activation; needed with more than one channel. Default true. */
  readonly ff: boolean;
}

export type GivenLsslConfig = { dModel: number } & Partial<LsslConfig>;
/** `memory` [B, H, N]: the state of every channel. */
export type LsslState = { readonly memory: Tensor };

const DEFAULTS = { dState: 64, channels: 1, measure: 'legs', dtMin: 0.001, dtMax: 0.1, ff: true } as const;
export const LSSL_KEYS = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[];

/** Fills in the defaults and checks every value. Throws ConfigError naming the key. */
export function lsslConfig(given: GivenLsslConfig): LsslConfig {
  for (const key of Object.keys(given)) {
    if (key !== 'dModel' && key !== 'layer' && !Object.hasOwn(DEFAULTS, key)) throw new ConfigError(`LSSL: unknown option "${key}", expected one of dModel, ${LSSL_KEYS.join(', ')}.`);
  }
  const config = { ...DEFAULTS, ...Object.fromEntries(Object.entries(given).filter(([key, value]) => value !== undefined && key !== 'layer')) } as LsslConfig;
  for (const key of ['dModel', 'dState', 'channels'] as const) wholeNumber('LSSL', key, config[key]);
  if (!config.ff && config.channels !== 1) throw new ConfigError(`LSSL: ff is false with ${config.channels} channels, expected a linear map to bring them together. Set channels to 1 or ff to true.`);
  if (!(config.dtMin > 0 && config.dtMin <= config.dtMax)) throw new ConfigError(`LSSL: dtMin is ${config.dtMin} and dtMax ${config.dtMax}, expected 0 < dtMin <= dtMax.`);
  hippoTransition(config.measure, config.dState);
  return config;
}

/** Parameters: the dense A [N, N] and B [N] that the official code keeps in structured forms, and its C, D, log_dt, output_linear. */
export function lsslParameters(config: LsslConfig): ParameterSpecs {
  const { dModel, dState, channels, ff } = config, { A, B } = hippoTransition(config.measure, dState);
  return {
    A: { shape: [dState, dState], initialise: () => Float32Array.from(A.values) },
    B: { shape: [dState], initialise: () => Float32Array.from(B) },
    log_dt: { shape: [dModel], initialise: logUniformSteps(config.dtMin, config.dtMax, 'exp') },
    C: { shape: [dModel, channels, dState], initialise: normal(1) },
    D: { shape: [dModel, channels], initialise: normal(1) },
    ...(ff && {
      'output_linear.weight': { shape: [dModel, dModel * channels], initialise: fanInUniform() },
      'output_linear.bias': { shape: [dModel], initialise: fanInUniform(dModel * channels) },
    }),
  };
}

/**
 * LSSL: for each channel x[t] = A' x[t-1] + B' u[t], y[t] = C x[t] + D u[t] with a dense real A shared by all channels under the bilinear transform, a step for each
 * channel; then GELU and a linear map.
 *
 * @remarks Here A and B are learnt as they are; the official code keeps them as products of structured matrices. Double precision from the parameters on. State
 * [B, H, N] real numbers.
 * @see Gu et al. 2021, arXiv 2110.13985. Official: state-spaces/s4, src/models/sequence/modules/lssl.py.
 */
export class Lssl implements SequenceLayer<LsslState> {
  static readonly kind = 'lssl';
  readonly kind = Lssl.kind;
  readonly config: LsslConfig;
  readonly capabilities: LayerCapabilities = { state: 'constant', causal: true, runtime: false };
  readonly parameters: Parameters;
  readonly #cache = createSystemCache();

  /** @param parameters - Variables by the names of `lsslParameters(config)`; the layer owns them from now on. */
  constructor(config: GivenLsslConfig, parameters: Parameters) {
    this.config = lsslConfig(config);
    this.parameters = parameters;
  }

  /** A layer with the published first values. */
  static create(config: GivenLsslConfig, options: SeedOptions = {}): Lssl {
    const complete = lsslConfig(config);
    return new Lssl(complete, createParameters(lsslParameters(complete), seededRandom(options)));
  }

  /** A layer with given weights: `A` and `B` dense, the rest by official names. @param config - Official keys, `d_state` or `dState`. */
  static fromOfficial(weights: WeightSource, config: { readonly [key: string]: unknown }): Lssl {
    const layer = Lssl.create(camelKeys(config) as GivenLsslConfig);
    try {
      assignParameters(layer.parameters, weights, { what: 'Lssl.fromOfficial' });
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  get dModel(): number { return this.config.dModel; }
  get outputSize(): number { return this.config.dModel; }

  apply(x: Tensor, options: ApplyOptions<LsslState> = {}): SequenceResult<LsslState> {
    if (x.rank !== 3 || x.shape[2] !== this.dModel) throw new ShapeError(`LSSL.apply: x has shape [${x.shape}], expected [B, L, ${this.dModel}]. One step goes through step(x, state) as [B, ${this.dModel}].`);
    if (options.state !== undefined) checkState('LSSL.apply', this.stateSpec(x.shape[0]), options.state);
    return tf.tidy(() => {
      const p = this.parameters, { dModel, channels } = this.config, [batch, length] = x.shape as [number, number, number];
      const { output, state } = lsslScan(x, { A: p['A'], B: p['B'], logDt: p['log_dt'], C: p['C'] }, { ...sequenceOptions(options), state: options.state?.memory, cache: this.#cache });
      // [B, L, C, H] to the official order of channels, H first.
      const skipped = tf.add(tf.transpose(output, [0, 1, 3, 2]), tf.mul(tf.expandDims(x, 3), p['D']!));
      const active = gelu(tf.reshape(skipped, [batch, length, dModel * channels]));
      return { output: this.config.ff ? affine(active, p['output_linear.weight']!, p['output_linear.bias']) : active, state: { memory: state } };
    });
  }

  step(x: Tensor, state: LsslState): SequenceResult<LsslState> {
    if (x.rank !== 2 || x.shape[1] !== this.dModel) throw new ShapeError(`LSSL.step: x has shape [${x.shape}], expected [B, ${this.dModel}], one step. A sequence goes through apply(x).`);
    return tf.tidy(() => {
      const next = this.apply(tf.expandDims(x, 1), { state });
      return { output: tf.squeeze(next.output, [1]), state: next.state };
    });
  }

  initialState(batch: number): LsslState { return zeroState<LsslState>(this.stateSpec(batch)); }
  stateSpec(batch: number): StateSpec { return { memory: [batch, this.dModel, this.config.dState] }; }

  dispose(): void { disposeParameters(this.parameters); }
  [Symbol.dispose](): void { this.dispose(); }
}
