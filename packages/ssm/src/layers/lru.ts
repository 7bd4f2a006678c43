import type { Tensor, Tensor1D } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import { linearScan } from '../ops/index.ts';
import type { ComplexTensor, SequenceOptions } from '../ops/index.ts';
import { normal } from '../random/index.ts';
import { affineToComplex, realOfAffine } from './complex-pairs.ts';
import { assignParameters, createParameters, setValues } from './parameters.ts';
import type { ParameterSpecs, Parameters, WeightSource } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { checkWhole, completeConfig, StreamingLayer } from './streaming-layer.ts';

export interface LruConfig {
  /** Width H of input and output. */
  readonly dModel: number;
  /** Complex state size N. Default dModel. */
  readonly dState: number;
  /** First eigenvalues are uniform on the ring rMin <= |lambda| <= rMax with phases below maxPhase. Default 0, 1, 2 pi. */
  readonly rMin: number;
  readonly rMax: number;
  readonly maxPhase: number;
}

/** The complex hidden state as its two parts, [B, N] each. */
export type LruState = { readonly re: Tensor; readonly im: Tensor };

/**
 * Linear recurrent unit: h[t] = lambda h[t-1] + exp(gamma_log) (B u[t]);  y[t] = Re(C h[t]) + D u[t], with lambda = exp(-exp(nu_log) + i exp(theta_log)),
 * so |lambda| < 1 always.
 *
 * @remarks `gamma_log` starts at log sqrt(1 - |lambda|^2) and is a free parameter from then on. Time O(L N H), state O(N).
 * @see Orvieto et al. 2023, arXiv 2303.06349, section 3. Official names: NicolasZucchet/minimal-LRU, lru/model.py (the paper has no code).
 * @example
 * const layer = Lru.create({ dModel: 8, dState: 16 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 100, 8]));   // [2, 100, 8]
 */
export class Lru extends StreamingLayer<LruState, LruConfig> {
  static readonly kind = 'lru';
  readonly kind = Lru.kind;

  constructor(config: { dModel: number } & Partial<LruConfig>, parameters: Parameters) {
    super(lruConfig(config), parameters);
  }

  /** A layer with the published first values. */
  static create(config: { dModel: number } & Partial<LruConfig>, options: SeedOptions = {}): Lru {
    const complete = lruConfig(config);
    return new Lru(complete, normaliseInput(createParameters(lruParameters(complete), seededRandom(options))));
  }

  /** @param weights - `theta_log`, `nu_log`, `gamma_log` [N], `B_re`, `B_im` [N, H], `C_re`, `C_im` [H, N], `D` [H]. */
  static fromOfficial(weights: WeightSource, config: { dModel: number } & Partial<LruConfig>): Lru {
    const layer = Lru.create(config);
    try {
      assignParameters(layer.parameters, weights, { what: 'Lru.fromOfficial' });
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  stateSpec(batch: number): StateSpec {
    const shape = [batch, this.config.dState];
    return { re: shape, im: shape };
  }

  /** lambda [N]. The caller disposes both parts. */
  eigenvalues(): ComplexTensor {
    return tf.tidy(() => {
      const size = tf.exp(tf.neg(tf.exp(this.parameters.nu_log)));
      const phase = tf.exp(this.parameters.theta_log);
      return { re: tf.mul(size, tf.cos(phase)), im: tf.mul(size, tf.sin(phase)) };
    });
  }

  protected forward(x: Tensor, state: LruState | undefined, sequence: SequenceOptions): SequenceResult<LruState> {
    const w = this.parameters;
    const input = affineToComplex(x, { re: w.B_re, im: w.B_im }); // [B, L, N]
    const scale = tf.exp(w.gamma_log);
    const scanned = linearScan(this.eigenvalues(), { re: tf.mul(input.re, scale), im: tf.mul(input.im, scale) }, { ...sequence, state });
    return { output: tf.add(realOfAffine(scanned.output, { re: w.C_re, im: w.C_im }), tf.mul(x, w.D)), state: scanned.state };
  }
}

export function lruConfig(given: { dModel: number } & Partial<LruConfig>): LruConfig {
  const config = completeConfig<LruConfig>('LRU', given, { dState: given.dModel, rMin: 0, rMax: 1, maxPhase: 2 * Math.PI });
  checkWhole('LRU', { dState: config.dState });
  if (!(config.rMin >= 0 && config.rMin < config.rMax && config.rMax <= 1)) throw new ConfigError(`LRU: rMin is ${config.rMin} and rMax ${config.rMax}, expected 0 <= rMin < rMax <= 1.`);
  if (!(config.maxPhase > 0)) throw new ConfigError(`LRU: maxPhase is ${config.maxPhase}, expected a positive angle in radians.`);
  return config;
}

/** First values of the official code; `gamma_log` follows from nu_log (`normaliseInput`). */
export function lruParameters({ dModel, dState, rMin, rMax, maxPhase }: LruConfig): ParameterSpecs {
  return {
    // Uniform in area: |lambda|^2 is uniform.
    nu_log: { shape: [dState], initialise: ([count], random) => Float32Array.from({ length: count }, () => {
      const square = Math.max(random.next() * (rMax ** 2 - rMin ** 2) + rMin ** 2, 1e-12);
      return Math.log(Math.max(-0.5 * Math.log(square), 1e-12));
    }) },
    theta_log: { shape: [dState], initialise: ([count], random) => Float32Array.from({ length: count }, () => Math.log(maxPhase * Math.max(random.next(), 1e-12))) },
    gamma_log: { shape: [dState], initialise: ([count]) => new Float32Array(count) },
    B_re: { shape: [dState, dModel], initialise: normal(1 / Math.sqrt(2 * dModel)) },
    B_im: { shape: [dState, dModel], initialise: normal(1 / Math.sqrt(2 * dModel)) },
    C_re: { shape: [dModel, dState], initialise: normal(1 / Math.sqrt(dState)) },
    C_im: { shape: [dModel, dState], initialise: normal(1 / Math.sqrt(dState)) },
    D: { shape: [dModel], initialise: normal(1) },
  };
}

/** Sets gamma_log to log sqrt(1 - |lambda|^2), which keeps the state's variance at the input's. Returns the same parameters. */
export function normaliseInput(parameters: Parameters): Parameters {
  const rates = (parameters.nu_log as unknown as Tensor1D).dataSync();
  setValues(parameters.gamma_log, Float32Array.from(rates, (rate) => 0.5 * Math.log(-Math.expm1(-2 * Math.exp(rate)))));
  return parameters;
}
