import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { stateSpaceScan } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { constant, fanInUniform, normal } from '../random/index.ts';
import { gelu } from './activations.ts';
import { affine } from './affine.ts';
import { assignParameters, createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters, WeightSource } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { completeConfig, StreamingLayer } from './streaming-layer.ts';

export interface GssConfig {
  readonly dModel: number;
  /** Width of the gated branch. Default 4 dModel. */
  readonly expansion: number;
  /** Width of the state space. Default dModel / 4, at least 1. */
  readonly stateSpaceWidth: number;
  /** Modes shared by all channels of the state space. Default 512. */
  readonly stateSize: number;
  /** The imaginary parts pass through exp, as published by the unofficial code; other code of this family does not. Default true. */
  readonly lambdaImagExp: boolean;
  /** Adds the input to the output, as the published layer does; leave it to the block of a backbone otherwise. Default false. */
  readonly residual: boolean;
}

/** `re`, `im` [B, stateSpaceWidth, stateSize]. */
export type GssState = { readonly re: Tensor; readonly im: Tensor };

export function gssConfig(given: { dModel: number } & Partial<GssConfig>): GssConfig {
  const { dModel } = given;
  const defaults = { expansion: 4 * dModel, stateSpaceWidth: Math.max(1, Math.floor(dModel / 4)), stateSize: 512, lambdaImagExp: true, residual: false };
  return completeConfig<GssConfig>('GSS', given, defaults, ['expansion', 'stateSpaceWidth', 'stateSize']);
}

const normParameters = (prefix: string, size: number): ParameterSpecs => ({
  [`${prefix}norm.weight`]: { shape: [size], initialise: constant(1) }, [`${prefix}norm.bias`]: { shape: [size], initialise: constant(0) },
});

/** Parameters of DSS as GSS has it, with its norm. */
export function gssStateSpaceParameters(width: number, size: number, prefix: string): ParameterSpecs {
  return {
    ...normParameters(prefix, width),
    [`${prefix}Lambda_real`]: { shape: [size], initialise: normal(1) },
    [`${prefix}Lambda_imag`]: { shape: [size], initialise: normal(1) },
    [`${prefix}C_real`]: { shape: [width, size], initialise: normal(1) },
    [`${prefix}C_imag`]: { shape: [width, size], initialise: normal(1) },
    [`${prefix}param_D`]: { shape: [width], initialise: normal(1) },
  };
}

export function gssParameters({ dModel, expansion, stateSpaceWidth, stateSize }: GssConfig): ParameterSpecs {
  return {
    ...normParameters('', dModel),
    'to_u.0.weight': { shape: [expansion, dModel], initialise: fanInUniform() },
    'to_v.0.weight': { shape: [stateSpaceWidth, dModel], initialise: fanInUniform() },
    ...gssStateSpaceParameters(stateSpaceWidth, stateSize, 'dss.'),
    'to_gate.weight': { shape: [expansion, stateSpaceWidth], initialise: fanInUniform() },
    'to_out.weight': { shape: [dModel, expansion], initialise: fanInUniform() },
    'to_out.bias': { shape: [dModel], initialise: fanInUniform(expansion) },
  };
}

function layerNorm(x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  return tf.tidy(() => {
    const centred = tf.sub(x, tf.mean(x, -1, true));
    return tf.add(tf.mul(tf.div(centred, tf.sqrt(tf.add(tf.mean(tf.square(centred), -1, true), 1e-5))), weight), bias);
  });
}

/**
 * DSS without a step size: y = Re(sum over n of C_n (e^lambda_n - 1) / lambda_n e^(l lambda_n)) * u + D u, u the normed input, lambda = -exp(real) + i imag.
 *
 * @param x - [B, L, H]. @returns output [B, L, H] and the state; the caller disposes both.
 */
export function gssStateSpace(x: Tensor, parameters: Parameters, prefix: string, lambdaImagExp: boolean, sequence: SequenceOptions = {}, state?: GssState): SequenceResult<GssState> {
  const of = (name: string): Tensor => parameters[prefix + name]!;
  const width = x.shape[2]!;
  const normed = layerNorm(x, of('norm.weight'), of('norm.bias'));
  const re = tf.neg(tf.exp(of('Lambda_real')));
  const im = lambdaImagExp ? tf.exp(of('Lambda_imag')) : of('Lambda_imag');
  const size = tf.exp(re);
  const [aRe, aIm] = [tf.mul(size, tf.cos(im)), tf.mul(size, tf.sin(im))];
  const scale = tf.add(tf.square(re), tf.square(im));
  const lessOne = tf.sub(aRe, 1);
  const bRe = tf.div(tf.add(tf.mul(lessOne, re), tf.mul(aIm, im)), scale);
  const bIm = tf.div(tf.sub(tf.mul(aIm, re), tf.mul(lessOne, im)), scale);
  const shared = (row: Tensor): Tensor => tf.tile(tf.expandDims(row, 0), [width, 1]);
  const scanned = stateSpaceScan(normed, {
    a: { re: shared(aRe), im: shared(aIm) }, b: { re: shared(bRe), im: shared(bIm) }, c: { re: tf.expandDims(of('C_real'), 0), im: tf.expandDims(of('C_imag'), 0) },
  }, { ...sequence, state });
  return { output: tf.add(tf.reshape(scanned.output, x.shape), tf.mul(normed, of('param_D'))), state: { re: scanned.state.re, im: scanned.state.im } };
}

/**
 * Gated state space: u = gelu(W_u n), v = gelu(W_v n), y = W_o(W_g DSS(v) * u), n the normed input: the state space works on few channels, its gate on many.
 *
 * @see Mehta et al. 2022, arXiv 2206.13947. No official code; the numbers are of lucidrains/gated-state-spaces-pytorch, which has no step size and by default takes
 * the exponential of the imaginary parts.
 */
export class Gss extends StreamingLayer<GssState, GssConfig> {
  static readonly kind = 'gss';
  readonly kind = Gss.kind;

  constructor(config: { dModel: number } & Partial<GssConfig>, parameters: Parameters) {
    super(gssConfig(config), parameters);
  }

  static create(config: { dModel: number } & Partial<GssConfig>, options: SeedOptions = {}): Gss {
    const complete = gssConfig(config);
    return new Gss(complete, createParameters(gssParameters(complete), seededRandom(options)));
  }

  /** @param weights - By the published names: `norm.weight`, `to_u.0.weight`, `dss.Lambda_real`, ... */
  static fromOfficial(weights: WeightSource, config: { dModel: number } & Partial<GssConfig>): Gss {
    const layer = Gss.create(config);
    try {
      assignParameters(layer.parameters, weights, { what: 'Gss.fromOfficial' });
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  stateSpec(batch: number): StateSpec {
    const shape = [batch, this.config.stateSpaceWidth, this.config.stateSize];
    return { re: shape, im: shape };
  }

  protected forward(x: Tensor, state: GssState | undefined, sequence: SequenceOptions): SequenceResult<GssState> {
    const weights = this.parameters;
    const normed = layerNorm(x, weights['norm.weight']!, weights['norm.bias']!);
    const wide = gelu(affine(normed, weights['to_u.0.weight']!));
    const narrow = gelu(affine(normed, weights['to_v.0.weight']!));
    const scanned = gssStateSpace(narrow, weights, 'dss.', this.config.lambdaImagExp, sequence, state);
    const output = affine(tf.mul(affine(scanned.output, weights['to_gate.weight']!), wide), weights['to_out.weight']!, weights['to_out.bias']);
    return { output: this.config.residual ? tf.add(output, x) : output, state: scanned.state };
  }
}
