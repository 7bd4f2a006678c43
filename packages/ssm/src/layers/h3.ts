import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import { fftConvolution, s4dKernel, s4dScan } from '../ops/index.ts';
import type { S4dParameters, SequenceOptions } from '../ops/index.ts';
import { constant, fanInUniform, normal } from '../random/index.ts';
import type { Initialiser } from '../random/index.ts';
import { affine } from './affine.ts';
import { assignParameters, createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters, WeightSource } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { completeConfig, StreamingLayer } from './streaming-layer.ts';

export interface H3Config {
  readonly dModel: number;
  /** State size N of both state spaces: taps of the shift, real size of the diagonal one. Even. Default 64. */
  readonly dState: number;
  /** Channels of a head; a head multiplies its keys with all of its values. Divides dModel. Default 1. */
  readonly headDim: number;
  /** First steps of the diagonal state space, log-uniform. Default .001 and .1. */
  readonly dtMin: number;
  readonly dtMax: number;
}

const DEFAULTS = { dState: 64, headDim: 1, dtMin: 0.001, dtMax: 0.1 } as const;

/** `shift` [B, N - 1, D]: the last keys; `re`, `im` [B, P D, N / 2]: the diagonal state, P = headDim. */
export type H3State = { readonly shift: Tensor; readonly re: Tensor; readonly im: Tensor };

export function h3Config(given: { dModel: number } & Partial<H3Config>): H3Config {
  const config = completeConfig<H3Config>('H3', given, DEFAULTS, ['dState', 'headDim']);
  if (config.dModel % config.headDim !== 0) throw new ConfigError(`H3: headDim is ${config.headDim} at dModel ${config.dModel}, expected a divisor.`);
  if (config.dState % 2 !== 0) throw new ConfigError(`H3: dState is ${config.dState}, expected an even number: modes come in conjugate pairs.`);
  if (!(config.dtMin > 0 && config.dtMin <= config.dtMax)) throw new ConfigError(`H3: dtMin is ${config.dtMin} and dtMax ${config.dtMax}, expected 0 < dtMin <= dtMax.`);
  return config;
}

/** Complex numbers as pairs on the last axis, all 1. */
const ones: Initialiser = (shape) => Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i % 2 === 0 ? 1 : 0));

export function h3Parameters(config: H3Config): ParameterSpecs {
  const { dModel, dState, headDim, dtMin, dtMax } = config;
  const [heads, modes] = [dModel / headDim, dState / 2];
  const linear = (name: string): ParameterSpecs => ({
    [`${name}.weight`]: { shape: [dModel, dModel], initialise: fanInUniform() }, [`${name}.bias`]: { shape: [dModel], initialise: fanInUniform(dModel) },
  });
  return {
    ssm_k_D: { shape: [dModel], initialise: normal(1) },
    D: { shape: [heads], initialise: normal(1) },
    ...linear('q_proj'), ...linear('k_proj'), ...linear('v_proj'),
    'ssm_k_kernel.kernel.B': { shape: [dModel, dState], initialise: ([rows, size]) => Float32Array.from({ length: rows! * size! }, (_, i) => ((i % (size as number)) === 0 ? 1 : 0)) },
    'ssm_k_kernel.kernel.C': { shape: [1, dModel, dState], initialise: fanInUniform(dState) },
    'kernel.kernel.C': { shape: [1, heads, modes, 2], initialise: normal(Math.SQRT1_2) },
    'kernel.kernel.log_dt': { shape: [heads], initialise: ([count], random) => random.uniform(count!, { low: Math.log(dtMin), high: Math.log(dtMax) }) },
    'kernel.kernel.B': { shape: [heads, modes, 2], initialise: ones },
    'kernel.kernel.inv_A_real': { shape: [heads, modes], initialise: constant(Math.log(0.5)) },
    'kernel.kernel.A_imag': { shape: [heads, modes], initialise: ([rows, size]) => Float32Array.from({ length: rows! * size! }, (_, i) => Math.PI * (i % size!)) },
    ...linear('output_linear'),
  };
}

/**
 * Taps of the shift state space: K[l] = sum over j of B[j] C[j + l], l < N.
 *
 * @param B - [H, N]. @param C - [H, N]. @returns [H, N]. The caller disposes it.
 * @see HazyResearch/H3, src/models/ssm/ss_kernel_shift.py, SSKernelShift.
 */
export function shiftKernel(B: Tensor, C: Tensor): Tensor {
  const [heads, size] = C.shape as [number, number];
  return tf.tidy(() => tf.addN(Array.from({ length: size }, (_, j) => {
    const shifted = tf.pad(tf.slice(C, [0, j], [heads, size - j]), [[0, 0], [0, j]]);
    return tf.mul(tf.slice(B, [0, j], [heads, 1]), shifted);
  })));
}

/**
 * H3: y = out(Q * SSM_diagonal(SSM_shift(K) * V)), both state spaces with a skip; keys and values of a head of more than one channel are multiplied with each other.
 *
 * @remarks The state is constant: the shift is a convolution of N taps, so its state is its last N - 1 inputs, from which the official one follows; the diagonal state
 * space runs as a recurrence. `kernels()` gives both as taps for the convolution form.
 * @see Fu et al. 2022, arXiv 2212.14052. Official: HazyResearch/H3, src/models/ssm/h3.py, H3.
 */
export class H3 extends StreamingLayer<H3State, H3Config> {
  static readonly kind = 'h3';
  readonly kind = H3.kind;

  constructor(config: { dModel: number } & Partial<H3Config>, parameters: Parameters) {
    super(h3Config(config), parameters);
  }

  static create(config: { dModel: number } & Partial<H3Config>, options: SeedOptions = {}): H3 {
    const complete = h3Config(config);
    return new H3(complete, createParameters(h3Parameters(complete), seededRandom(options)));
  }

  /** @param weights - By official names: `q_proj.weight`, `ssm_k_kernel.kernel.C`, `kernel.kernel.inv_A_real`, ... */
  static fromOfficial(weights: WeightSource, config: { dModel: number } & Partial<H3Config>): H3 {
    const layer = H3.create(config);
    try {
      assignParameters(layer.parameters, weights, { what: 'H3.fromOfficial' });
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  stateSpec(batch: number): StateSpec {
    const { dModel, dState, headDim } = this.config;
    const diagonal = [batch, headDim * dModel, dState / 2];
    return { shift: [batch, dState - 1, dModel], re: diagonal, im: diagonal };
  }

  /** Taps of the shift [D, N] and of the diagonal state space [1, D / headDim, length]. The caller disposes both. */
  kernels(length: number): { shift: Tensor; diagonal: Tensor } {
    return { shift: this.#shift(), diagonal: s4dKernel(this.#system(1), length, { discretisation: 'bilinear' }) };
  }

  protected forward(x: Tensor, state: H3State | undefined, sequence: SequenceOptions): SequenceResult<H3State> {
    const { dModel, headDim } = this.config;
    const weights = this.parameters;
    const [batch, length] = x.shape as [number, number, number];
    const heads = dModel / headDim;
    const [q, k, v] = ['q_proj', 'k_proj', 'v_proj'].map((name) => affine(x, weights[`${name}.weight`]!, weights[`${name}.bias`]));
    const shifted = fftConvolution(k!, this.#shift(), { ...sequence, D: weights['ssm_k_D'], ...(state && { state: state.shift }) });
    // Channels within a head go in front, so that the head is the fastest axis: [B, L, P, H].
    const split = (channels: Tensor): Tensor => tf.transpose(tf.reshape(channels, [batch, length, heads, headDim]), [0, 1, 3, 2]);
    const keys = tf.expandDims(split(shifted.output), 3); // [B, L, P1, 1, H]
    const values = tf.expandDims(split(v!), 2); // [B, L, 1, P2, H]
    const products = tf.reshape(tf.mul(keys, values), [batch, length, headDim * headDim * heads]);
    const scanned = s4dScan(products, this.#system(headDim * headDim), { discretisation: 'bilinear' }, { ...sequence, ...(state && { state: { re: state.re, im: state.im } }) });
    const skip = tf.tile(weights['D']!, [headDim * headDim]);
    const convolved = tf.add(tf.reshape(scanned.output, products.shape), tf.mul(products, skip));
    const queried = tf.mul(tf.reshape(convolved, [batch, length, headDim, headDim, heads]), tf.expandDims(split(q!), 3));
    const mixed = tf.reshape(tf.sum(queried, 2), [batch, length, dModel]); // channel within the head major
    return {
      output: affine(mixed, weights['output_linear.weight']!, weights['output_linear.bias']),
      state: { shift: shifted.state, re: scanned.state.re, im: scanned.state.im },
    };
  }

  #shift(): Tensor {
    const { dModel, dState } = this.config;
    return shiftKernel(this.parameters['ssm_k_kernel.kernel.B']!, tf.reshape(this.parameters['ssm_k_kernel.kernel.C']!, [dModel, dState]));
  }

  /** The diagonal state space for `copies` signals a head, the head as the fastest axis. */
  #system(copies: number): S4dParameters {
    const weights = this.parameters;
    const log = weights['kernel.kernel.log_dt']!;
    return {
      invDt: tf.tile(tf.reshape(log, [log.size, 1]), [copies, 1]), ARe: weights['kernel.kernel.inv_A_real']!,
      AIm: tf.neg(weights['kernel.kernel.A_imag']!), // s4dScan takes minus the imaginary part
      B: weights['kernel.kernel.B']!, C: tf.tile(weights['kernel.kernel.C']!, [1, copies, 1, 1]),
    };
  }
}
