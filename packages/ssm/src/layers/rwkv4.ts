import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { wkv4 } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { constant, fanInUniform } from '../random/index.ts';
import { affine } from './affine.ts';
import { createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters } from './parameters.ts';
import { byChannel, depthRatios, mixed, outputInitialiser, previousStep, RWKV_PLACE, zigzag } from './rwkv-shared.ts';
import type { RwkvPlace } from './rwkv-shared.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { completeConfig, StreamingLayer } from './streaming-layer.ts';

export interface Rwkv4Config extends RwkvPlace { readonly dModel: number }

export const rwkv4Config = (given: { dModel: number } & Partial<Rwkv4Config>): Rwkv4Config => completeConfig<Rwkv4Config>('Rwkv4', given, RWKV_PLACE);

/** Names and first values of RWKV-4: decays from slow to fast over the channels, keys and receptances from 0. */
export function rwkv4Parameters(config: Rwkv4Config): ParameterSpecs {
  const { dModel, outputScale } = config;
  const { rising, falling } = depthRatios(config);
  const fromZero = outputScale === 0 ? constant(0) : fanInUniform();
  const mix = (of: (place: number) => number): ParameterSpecs[string] => ({ shape: [1, 1, dModel], initialise: byChannel(of) });
  return {
    time_decay: { shape: [dModel], initialise: byChannel((_place, channel, channels) => -5 + 8 * (channels > 1 ? channel / (channels - 1) : 0) ** (0.7 + 1.3 * rising)) },
    time_first: { shape: [dModel], initialise: byChannel((_place, channel) => Math.log(0.3) + zigzag(channel)) },
    time_mix_k: mix((place) => place ** falling), time_mix_v: mix((place) => place ** falling + 0.3 * rising), time_mix_r: mix((place) => place ** (0.5 * falling)),
    'key.weight': { shape: [dModel, dModel], initialise: fromZero }, 'value.weight': { shape: [dModel, dModel], initialise: fanInUniform() },
    'receptance.weight': { shape: [dModel, dModel], initialise: fromZero }, 'output.weight': { shape: [dModel, dModel], initialise: outputInitialiser(outputScale) },
  };
}

/** `shift` [B, D], the last step's input; `numerator`, `denominator`, `maximum` [B, D] of the weighted mean. */
export type Rwkv4State = { readonly shift: Tensor; readonly numerator: Tensor; readonly denominator: Tensor; readonly maximum: Tensor };

/**
 * RWKV-4's time mix: y = W_o (sigmoid(W_r x_r) * wkv(W_k x_k, W_v x_v)), wkv the decaying weighted mean of `wkv4`, each x_ mixed with the step before.
 *
 * @see Peng et al. 2023, arXiv 2305.13048. Official: BlinkDL/ChatRWKV, RWKV_in_150_lines.py, `time_mixing`.
 * @example
 * const layer = Rwkv4.create({ dModel: 64 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64]
 */
export class Rwkv4 extends StreamingLayer<Rwkv4State, Rwkv4Config> {
  static readonly kind = 'rwkv4';
  readonly kind = Rwkv4.kind;

  constructor(config: { dModel: number } & Partial<Rwkv4Config>, parameters: Parameters) {
    super(rwkv4Config(config), parameters);
  }

  static create(config: { dModel: number } & Partial<Rwkv4Config>, options: SeedOptions = {}): Rwkv4 {
    const complete = rwkv4Config(config);
    return new Rwkv4(complete, createParameters(rwkv4Parameters(complete), seededRandom(options)));
  }

  stateSpec(batch: number): StateSpec {
    const shape = [batch, this.dModel];
    return { shift: shape, numerator: shape, denominator: shape, maximum: shape };
  }

  protected forward(x: Tensor, state: Rwkv4State | undefined, sequence: SequenceOptions): SequenceResult<Rwkv4State> {
    const weights = this.parameters;
    const { before, shift } = previousStep(x, state?.shift, sequence);
    const project = (name: string, mix: string): Tensor => affine(mixed(x, before, weights[mix]!), weights[`${name}.weight`]!);
    const mean = wkv4(project('key', 'time_mix_k'), project('value', 'time_mix_v'), tf.neg(tf.exp(weights['time_decay']!)), weights['time_first']!, {
      ...sequence, ...(state && { state: { numerator: state.numerator, denominator: state.denominator, maximum: state.maximum } }),
    });
    const output = affine(tf.mul(tf.sigmoid(project('receptance', 'time_mix_r')), mean.output), weights['output.weight']!);
    return { output, state: { shift, ...mean.state } };
  }
}
