import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { gatedLinearAttention } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import type { Initialiser } from '../random/index.ts';
import { silu } from './activations.ts';
import { affine } from './affine.ts';
import { headNorm } from './head-norm.ts';
import { createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters } from './parameters.ts';
import { bonusOfChannel, decayOfChannel, HEAD_NORM_EPSILON, rwkvProjections } from './rwkv5.ts';
import type { RwkvMatrixState } from './rwkv5.ts';
import { byChannel, depthRatios, moved, previousStep, RWKV_PLACE, times } from './rwkv-shared.ts';
import type { HeadSize, RwkvPlace } from './rwkv-shared.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { checkWhole, completeConfig, partsOf, splitHeads, StreamingLayer } from './streaming-layer.ts';

export interface Rwkv6Config extends RwkvPlace, HeadSize {
  readonly dModel: number;
  /** Ranks of the data-dependent mixes and decays. Default 32 and 64. */
  readonly maaRank: number;
  readonly decayRank: number;
}

export function rwkv6Config(given: { dModel: number } & Partial<Rwkv6Config>): Rwkv6Config {
  const config = completeConfig<Rwkv6Config>('Rwkv6', given, { ...RWKV_PLACE, headSize: 64, maaRank: 32, decayRank: 64 });
  const { headSize, maaRank, decayRank } = config;
  checkWhole('Rwkv6', { headSize, maaRank, decayRank });
  partsOf('Rwkv6', 'headSize', headSize, 'dModel', config.dModel);
  return config;
}

/** What is mixed with the step before, in the order of time_maa_w2. */
const MIXES = ['w', 'k', 'v', 'r', 'g'] as const;

export function rwkv6Parameters(config: Rwkv6Config): ParameterSpecs {
  const { dModel, headSize, maaRank, decayRank, outputScale } = config;
  const { rising, falling } = depthRatios(config);
  const tiny: Initialiser = (shape, random) => random.uniform(shape.reduce((product, size) => product * size, 1), { low: -1e-4, high: 1e-4 });
  const powers = { x: falling, w: falling, k: falling, v: falling, r: 0.5 * falling, g: 0.5 * falling };
  const mixes = Object.entries(powers).map(([name, power]) =>
    [`time_maa_${name}`, { shape: [1, 1, dModel], initialise: byChannel((place) => 1 - (place ** power + (name === 'v' ? 0.3 * rising : 0))) }]);
  return {
    ...(Object.fromEntries(mixes) as ParameterSpecs),
    time_maa_w1: { shape: [dModel, 5 * maaRank], initialise: tiny }, time_maa_w2: { shape: [5, maaRank, dModel], initialise: tiny },
    time_decay: { shape: [1, 1, dModel], initialise: byChannel(decayOfChannel(rising)) },
    time_decay_w1: { shape: [dModel, decayRank], initialise: tiny }, time_decay_w2: { shape: [decayRank, dModel], initialise: tiny },
    time_faaaa: { shape: [dModel / headSize, headSize], initialise: byChannel(bonusOfChannel(rising)) },
    ...rwkvProjections(dModel, outputScale),
  };
}

/**
 * RWKV-6's (Finch's) time mix: RWKV-5's with decays w[t] = exp(-exp(time_decay + low-rank of x_w)) that depend on the data, as do the mixes with the step before.
 *
 * @see Peng et al. 2024, arXiv 2404.05892. Official: BlinkDL/ChatRWKV, RWKV_v6_demo.py, `time_mixing`.
 * @example
 * const layer = Rwkv6.create({ dModel: 64, headSize: 16 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64]
 */
export class Rwkv6 extends StreamingLayer<RwkvMatrixState, Rwkv6Config> {
  static readonly kind = 'rwkv6';
  readonly kind = Rwkv6.kind;

  constructor(config: { dModel: number } & Partial<Rwkv6Config>, parameters: Parameters) {
    super(rwkv6Config(config), parameters);
  }

  static create(config: { dModel: number } & Partial<Rwkv6Config>, options: SeedOptions = {}): Rwkv6 {
    const complete = rwkv6Config(config);
    return new Rwkv6(complete, createParameters(rwkv6Parameters(complete), seededRandom(options)));
  }

  stateSpec(batch: number): StateSpec {
    const { dModel, headSize } = this.config;
    return { shift: [batch, dModel], matrix: [batch, dModel / headSize, headSize, headSize] };
  }

  protected forward(x: Tensor, state: RwkvMatrixState | undefined, sequence: SequenceOptions): SequenceResult<RwkvMatrixState> {
    const weights = this.parameters;
    const heads = this.dModel / this.config.headSize;
    const { before, shift } = previousStep(x, state?.shift, sequence);
    const inputs = this.#mixes(x, tf.sub(before, x));
    const decay = tf.neg(tf.exp(tf.add(weights['time_decay']!, times(tf.tanh(times(inputs.w, weights['time_decay_w1']!)), weights['time_decay_w2']!))));
    const project = (name: string, input: Tensor): Tensor => affine(input, weights[`${name}.weight`]!);
    const { output, state: { matrix } } = gatedLinearAttention(
      splitHeads(project('receptance', inputs.r), heads), splitHeads(project('key', inputs.k), heads), splitHeads(project('value', inputs.v), heads),
      { ...sequence, decay: splitHeads(decay, heads), bonus: weights['time_faaaa']!, scale: 1, ...(state && { state: { matrix: state.matrix } }) },
    );
    const normed = headNorm(output, weights['ln_x.weight']!, weights['ln_x.bias'], HEAD_NORM_EPSILON);
    return { output: affine(tf.mul(normed, silu(project('gate', inputs.g))), weights['output.weight']!), state: { shift, matrix } };
  }

  /** The five inputs: x moved towards the step before by time_maa plus a low-rank function of a first such mix. */
  #mixes(x: Tensor, difference: Tensor): Record<(typeof MIXES)[number], Tensor> {
    const weights = this.parameters;
    const { maaRank } = this.config;
    const low = tf.tanh(times(moved(x, difference, weights['time_maa_x']!), weights['time_maa_w1']!)); // [B, L, 5 rank]
    const parts = tf.split(low, MIXES.map(() => maaRank), -1);
    const matrices = tf.unstack(weights['time_maa_w2']!, 0);
    return Object.fromEntries(MIXES.map((name, i) =>
      [name, moved(x, difference, tf.add(weights[`time_maa_${name}`]!, times(parts[i]!, matrices[i]!)))])) as Record<(typeof MIXES)[number], Tensor>;
  }
}
