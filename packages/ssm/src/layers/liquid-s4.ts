import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import { linearScan } from '../ops/index.ts';
import type { ComplexTensor, SequenceOptions } from '../ops/index.ts';
import { normalPlusLowRank } from '../math/index.ts';
import { constant, normal } from '../random/index.ts';
import { multiplyComplex } from './complex-pairs.ts';
import { createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters } from './parameters.ts';
import { discretiseDiagonal } from './s5-discretise.ts';
import { logUniform } from './s5-parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { checkWhole, completeConfig, StreamingLayer } from './streaming-layer.ts';

export interface LiquidS4Config {
  /** Channels H, each with its own system. */
  readonly dModel: number;
  /** State size N of each channel; N / 2 complex numbers are kept. Default 64. */
  readonly dState: number;
  /** First step sizes are log-uniform in [dtMin, dtMax]. Default .001 and .1. */
  readonly dtMin: number;
  readonly dtMax: number;
  /** Whether the input also acts on the transition; false is S4D with the bilinear rule. Default true. */
  readonly liquid: boolean;
}

/** The complex state as its two parts, [B, H * N / 2] each. */
export type LiquidS4State = { readonly re: Tensor; readonly im: Tensor };

/**
 * Liquid-S4 by its recurrence: x[t] = (A-bar + B-bar u[t]) x[t-1] + B-bar u[t];  y[t] = 2 Re(C x[t]) + D u[t], diagonal A, bilinear rule, one system for each channel.
 *
 * @remarks The official code adds a correction to S4's convolution that multiplies inputs at fixed places and turns them round in time: it is neither causal nor the
 * same at every place. This is the recurrence that the paper derives it from. The input's part in the transition is bounded by the input only: |A-bar + B-bar u| may
 * exceed 1 for large inputs, as in the paper. Time O(L H N), state O(H N).
 * @see Hasani et al. 2022, arXiv 2209.12951, equations 4 to 6. Compared with raminmh/liquid-s4, src/models/sequence/ss/s4.py without its correction.
 * @example
 * const layer = LiquidS4.create({ dModel: 8, dState: 16 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 100, 8]));   // [2, 100, 8]
 */
export class LiquidS4 extends StreamingLayer<LiquidS4State, LiquidS4Config> {
  static readonly kind = 'liquid-s4';
  readonly kind = LiquidS4.kind;

  constructor(config: { dModel: number } & Partial<LiquidS4Config>, parameters: Parameters) {
    super(liquidS4Config(config), parameters);
  }

  static create(config: { dModel: number } & Partial<LiquidS4Config>, options: SeedOptions = {}): LiquidS4 {
    const complete = liquidS4Config(config);
    return new LiquidS4(complete, createParameters(liquidS4Parameters(complete), seededRandom(options)));
  }

  stateSpec(batch: number): StateSpec {
    const shape = [batch, this.config.dModel * this.config.dState / 2];
    return { re: shape, im: shape };
  }

  protected forward(x: Tensor, state: LiquidS4State | undefined, sequence: SequenceOptions): SequenceResult<LiquidS4State> {
    const { dModel, dState, liquid } = this.config;
    const [batch, length] = x.shape as [number, number, number];
    const size = dModel * dState / 2;
    const w = this.parameters;
    const step = tf.reshape(tf.mul(tf.expandDims(tf.exp(w['log_dt']!), 1), tf.ones([dModel, dState / 2])), [size]);
    const flat = (name: string): ComplexTensor => {
      const [re, im] = tf.unstack(w[name]!, -1);
      return { re: tf.reshape(re!, [size]), im: tf.reshape(im!, [size]) };
    };
    const lambda = { re: tf.neg(tf.reshape(tf.exp(w['inv_A_real']!), [size])), im: tf.reshape(w['A_imag']!, [size]) };
    const { decay, input } = discretiseDiagonal(lambda, step, 'bilinear');
    const weight = multiplyComplex(input, flat('B')); // B-bar [H * N / 2]
    const wide = tf.reshape(tf.mul(tf.expandDims(x, -1), tf.ones([dState / 2])), [batch, length, size]);
    const driven = { re: tf.mul(wide, weight.re), im: tf.mul(wide, weight.im) };
    const transition = liquid ? { re: tf.add(driven.re, decay.re), im: tf.add(driven.im, decay.im) } : decay;
    const scanned = linearScan(transition, driven, { ...sequence, state });
    const { re } = multiplyComplex(scanned.output, flat('C'));
    const read = tf.mul(2, tf.sum(tf.reshape(re, [batch, length, dModel, dState / 2]), -1));
    return { output: tf.add(read, tf.mul(x, w['D']!)), state: scanned.state };
  }
}

export function liquidS4Config(given: { dModel: number } & Partial<LiquidS4Config>): LiquidS4Config {
  const config = completeConfig<LiquidS4Config>('LiquidS4', given, { dState: 64, dtMin: 0.001, dtMax: 0.1, liquid: true });
  checkWhole('LiquidS4', { dState: config.dState });
  if (config.dState % 2 !== 0) throw new ConfigError(`LiquidS4: dState is ${config.dState}, expected an even number: conjugate pairs are kept by one of each.`);
  if (!(config.dtMin > 0 && config.dtMin <= config.dtMax)) throw new ConfigError(`LiquidS4: dtMin is ${config.dtMin} and dtMax ${config.dtMax}, expected 0 < dtMin <= dtMax.`);
  return config;
}

/** HiPPO-LegS without its low-rank part, as S4D-LegS: eigenvalues, B = V^* B, C complex normal, D normal. */
export function liquidS4Parameters({ dModel, dState, dtMin, dtMax }: LiquidS4Config): ParameterSpecs {
  const half = dState / 2;
  const legs = () => normalPlusLowRank('legs', dState, { pairs: 'half' });
  const repeat = (value: (n: number) => number) => () => Float32Array.from({ length: dModel * half }, (_, i) => value(i % half));
  return {
    log_dt: { shape: [dModel], initialise: logUniform(dtMin, dtMax) },
    inv_A_real: { shape: [dModel, half], initialise: () => { const { eigenvalues } = legs(); return repeat((n) => Math.log(-eigenvalues.re[n]!))(); } },
    A_imag: { shape: [dModel, half], initialise: () => { const { eigenvalues } = legs(); return repeat((n) => eigenvalues.im[n]!)(); } },
    B: { shape: [dModel, half, 2], initialise: () => {
      const { B } = legs();
      return Float32Array.from({ length: dModel * half * 2 }, (_, i) => (i % 2 === 0 ? B.re : B.im)[(i >> 1) % half]!);
    } },
    C: { shape: [dModel, half, 2], initialise: normal(Math.SQRT1_2) },
    D: { shape: [dModel], initialise: dModel > 0 ? normal(1) : constant(0) },
  };
}
