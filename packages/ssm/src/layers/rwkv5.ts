import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { gatedLinearAttention } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { constant, fanInUniform } from '../random/index.ts';
import { silu } from './activations.ts';
import { affine } from './affine.ts';
import { headNorm } from './head-norm.ts';
import { createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters } from './parameters.ts';
import { byChannel, depthRatios, mixed, outputInitialiser, previousStep, RWKV_PLACE } from './rwkv-shared.ts';
import type { HeadSize, RwkvPlace } from './rwkv-shared.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { checkWhole, completeConfig, partsOf, splitHeads, StreamingLayer } from './streaming-layer.ts';

export interface Rwkv5Config extends RwkvPlace, HeadSize { readonly dModel: number }

export function rwkv5Config(given: { dModel: number } & Partial<Rwkv5Config>): Rwkv5Config {
  const config = completeConfig<Rwkv5Config>('Rwkv5', given, { ...RWKV_PLACE, headSize: 64 });
  checkWhole('Rwkv5', { headSize: config.headSize });
  partsOf('Rwkv5', 'headSize', config.headSize, 'dModel', config.dModel);
  return config;
}

/** Epsilon of the norm of each head: 1e-5 of values that the official code divides by 8 first. */
export const HEAD_NORM_EPSILON = 64e-5;

/** First values of decays and bonuses of versions 5 and 6, over all channels. */
export const decayOfChannel = (rising: number) => (_place: number, channel: number, channels: number): number =>
  -6 + 5 * (channels > 1 ? channel / (channels - 1) : 0) ** (0.7 + 1.3 * rising);
export const bonusOfChannel = (rising: number) => (_place: number, channel: number, channels: number): number =>
  rising * (1 - (channels > 1 ? channel / (channels - 1) : 0)) + 0.1 * (((channel + 1) % 3) - 1);

/** The five square projections and the norm that versions 5 and 6 share. */
export function rwkvProjections(dModel: number, outputScale: number): ParameterSpecs {
  const square = { shape: [dModel, dModel], initialise: fanInUniform() };
  return {
    'receptance.weight': square, 'key.weight': square, 'value.weight': square, 'gate.weight': square,
    'output.weight': { shape: [dModel, dModel], initialise: outputInitialiser(outputScale) },
    'ln_x.weight': { shape: [dModel], initialise: constant(1) }, 'ln_x.bias': { shape: [dModel], initialise: constant(0) },
  };
}

export function rwkv5Parameters(config: Rwkv5Config): ParameterSpecs {
  const { dModel, headSize, outputScale } = config;
  const { rising, falling } = depthRatios(config);
  const mix = (of: (place: number) => number): ParameterSpecs[string] => ({ shape: [1, 1, dModel], initialise: byChannel(of) });
  return {
    time_mix_k: mix((place) => place ** falling), time_mix_v: mix((place) => place ** falling + 0.3 * rising),
    time_mix_r: mix((place) => place ** (0.5 * falling)), time_mix_g: mix((place) => place ** (0.5 * falling)),
    time_decay: { shape: [dModel / headSize, headSize], initialise: byChannel(decayOfChannel(rising)) },
    time_faaaa: { shape: [dModel / headSize, headSize], initialise: byChannel(bonusOfChannel(rising)) },
    ...rwkvProjections(dModel, outputScale),
  };
}

/** `shift` [B, D], the last step's input; `matrix` [B, H, K, V]. */
export type RwkvMatrixState = { readonly shift: Tensor; readonly matrix: Tensor };

/**
 * RWKV-5's (Eagle's) time mix: S[t] = diag(w) S[t-1] + k[t]^T v[t];  y = W_o (silu(W_g x_g) * norm(r[t] (S[t-1] + diag(u) k[t]^T v[t]))), w = exp(-exp(time_decay)) a key,
 * u = time_faaaa, each x_ mixed with the step before.
 *
 * @see Peng et al. 2024, arXiv 2404.05892. Official: BlinkDL/ChatRWKV, RWKV_v5_demo.py, `time_mixing`.
 * @example
 * const layer = Rwkv5.create({ dModel: 64, headSize: 16 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64]
 */
export class Rwkv5 extends StreamingLayer<RwkvMatrixState, Rwkv5Config> {
  static readonly kind = 'rwkv5';
  readonly kind = Rwkv5.kind;

  constructor(config: { dModel: number } & Partial<Rwkv5Config>, parameters: Parameters) {
    super(rwkv5Config(config), parameters);
  }

  static create(config: { dModel: number } & Partial<Rwkv5Config>, options: SeedOptions = {}): Rwkv5 {
    const complete = rwkv5Config(config);
    return new Rwkv5(complete, createParameters(rwkv5Parameters(complete), seededRandom(options)));
  }

  stateSpec(batch: number): StateSpec {
    const { dModel, headSize } = this.config;
    return { shift: [batch, dModel], matrix: [batch, dModel / headSize, headSize, headSize] };
  }

  protected forward(x: Tensor, state: RwkvMatrixState | undefined, sequence: SequenceOptions): SequenceResult<RwkvMatrixState> {
    const weights = this.parameters;
    const heads = this.dModel / this.config.headSize;
    const { before, shift } = previousStep(x, state?.shift, sequence);
    const project = (name: string, mix: string): Tensor => affine(mixed(x, before, weights[mix]!), weights[`${name}.weight`]!);
    const { output, state: { matrix } } = gatedLinearAttention(
      splitHeads(project('receptance', 'time_mix_r'), heads), splitHeads(project('key', 'time_mix_k'), heads), splitHeads(project('value', 'time_mix_v'), heads),
      { ...sequence, decay: tf.neg(tf.exp(weights['time_decay']!)), bonus: weights['time_faaaa']!, scale: 1, ...(state && { state: { matrix: state.matrix } }) },
    );
    const normed = headNorm(output, weights['ln_x.weight']!, weights['ln_x.bias'], HEAD_NORM_EPSILON);
    return { output: affine(tf.mul(normed, silu(project('gate', 'time_mix_g'))), weights['output.weight']!), state: { shift, matrix } };
  }
}
