import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { gatedLinearAttention } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { constant, orthogonal } from '../random/index.ts';
import type { Initialiser } from '../random/index.ts';
import { affine } from './affine.ts';
import { headNorm } from './head-norm.ts';
import { createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters } from './parameters.ts';
import { HEAD_NORM_EPSILON } from './rwkv5.ts';
import type { RwkvMatrixState } from './rwkv5.ts';
import { byChannel, depthRatios, moved, outputInitialiser, previousStep, RWKV_PLACE, times, zigzag } from './rwkv-shared.ts';
import type { HeadSize, RwkvPlace } from './rwkv-shared.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import { sequenceOptions } from './sequence-layer.ts';
import type { ApplyOptions, SequenceResult } from './sequence-layer.ts';
import { checkState } from './state.ts';
import type { StateSpec } from './state.ts';
import { checkWhole, completeConfig, joinHeads, partsOf, splitHeads, StreamingLayer } from './streaming-layer.ts';

export interface Rwkv7Config extends RwkvPlace, HeadSize {
  readonly dModel: number;
  /** Ranks of the low-rank functions of decay, in-context learning rate, value residual and gate. Default 64, 64, 32, 128. */
  readonly decayRank: number;
  readonly rateRank: number;
  readonly valueRank: number;
  readonly gateRank: number;
}

export function rwkv7Config(given: { dModel: number } & Partial<Rwkv7Config>): Rwkv7Config {
  const config = completeConfig<Rwkv7Config>('Rwkv7', given, { ...RWKV_PLACE, headSize: 64, decayRank: 64, rateRank: 64, valueRank: 32, gateRank: 128 });
  const { headSize, decayRank, rateRank, valueRank, gateRank } = config;
  checkWhole('Rwkv7', { headSize, decayRank, rateRank, valueRank, gateRank });
  partsOf('Rwkv7', 'headSize', headSize, 'dModel', config.dModel);
  return config;
}

/** Names and first values of RWKV-7; `v0`, `v1`, `v2` exist in the first layer too, where nothing reads them. */
export function rwkv7Parameters(config: Rwkv7Config): ParameterSpecs {
  const { dModel, headSize, decayRank, rateRank, valueRank, gateRank, outputScale } = config;
  const { rising, falling } = depthRatios(config);
  const row = (initialise: Initialiser): ParameterSpecs[string] => ({ shape: [1, 1, dModel], initialise });
  const powers = { r: 0.2, w: 0.9, k: 0.7, v: 0.7, a: 0.9, g: 0.2 };
  const linear = (channel: number, channels: number): number => (channels > 1 ? channel / (channels - 1) - 0.5 : 0);
  const low = (rank: number): ParameterSpecs[string] => ({ shape: [dModel, rank], initialise: constant(0) });
  const high = (rank: number): ParameterSpecs[string] => ({ shape: [rank, dModel], initialise: (shape, random) => orthogonal()(shape, random).map((value) => 0.1 * value) });
  const square = (size: number): ParameterSpecs[string] => ({
    shape: [dModel, dModel], initialise: (shape, random) => random.uniform(shape[0]! * shape[1]!, { low: -size / Math.sqrt(dModel), high: size / Math.sqrt(dModel) }),
  });
  return {
    ...Object.fromEntries(Object.entries(powers).map(([name, power]) => [`x_${name}`, row(byChannel((place) => 1 - place ** (power * falling)))])),
    w0: row(byChannel((_place, channel, channels) => -5.5 + 6 * (channels > 1 ? channel / (channels - 1) : 0) ** (1 + rising ** 0.3) + 5 * zigzag(channel) * Math.abs(zigzag(channel)))),
    w1: low(decayRank), w2: high(decayRank),
    a0: row(byChannel((_place, channel, channels) => -0.19 + 0.6 * zigzag(channel) + 0.4 * linear(channel, channels))), a1: low(rateRank), a2: high(rateRank),
    v0: row(byChannel((_place, channel, channels) => 0.73 - 0.4 * linear(channel, channels))), v1: low(valueRank), v2: high(valueRank),
    g1: low(gateRank), g2: high(gateRank),
    k_k: row(byChannel((_place, channel, channels) => 0.71 - 0.1 * linear(channel, channels))), k_a: row(constant(1.02)),
    r_k: { shape: [dModel / headSize, headSize], initialise: constant(-0.04) },
    'receptance.weight': square(0.5), 'key.weight': square(0.05), 'value.weight': square(0.5),
    'output.weight': { shape: [dModel, dModel], initialise: outputInitialiser(outputScale) },
    'ln_x.weight': { shape: [dModel], initialise: constant(((1 + config.layerIndex) / config.layers) ** 0.7) }, 'ln_x.bias': { shape: [dModel], initialise: constant(0) },
  };
}

/** A result with the values of the first layer, [B, L, D], which later layers mix into theirs. */
export type Rwkv7Result = { readonly output: Tensor; readonly state: RwkvMatrixState; readonly valueFirst: Tensor };

/**
 * RWKV-7's (Goose's) time mix: S[t] = S[t-1] (diag(w[t]) - kappa[t]^T (a[t] * kappa[t])) + v[t]^T k[t];  y = W_o (g[t] * (norm(S[t] r[t]) + (r[t] . (r_k * k[t])) v[t])): a delta
 * rule whose removal key kappa, rate a and decay w = exp(-exp(-1/2) sigmoid(w0 + ..)) are functions of the data.
 *
 * @remarks From the second layer on, values are drawn towards those of the first: pass `valueFirst`. Without it a layer is a first layer. The state is kept as
 * [B, H, K, V], the official one is [B, H, V, K].
 * @see Peng et al. 2025, arXiv 2503.14456. Official: BlinkDL/RWKV-LM, RWKV-v7/rwkv_v7_demo.py, `RWKV_Tmix_x070`.
 * @example
 * const layer = Rwkv7.create({ dModel: 64, headSize: 16 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64]
 */
export class Rwkv7 extends StreamingLayer<RwkvMatrixState, Rwkv7Config> {
  static readonly kind = 'rwkv7';
  readonly kind = Rwkv7.kind;

  constructor(config: { dModel: number } & Partial<Rwkv7Config>, parameters: Parameters) {
    super(rwkv7Config(config), parameters);
  }

  static create(config: { dModel: number } & Partial<Rwkv7Config>, options: SeedOptions = {}): Rwkv7 {
    const complete = rwkv7Config(config);
    return new Rwkv7(complete, createParameters(rwkv7Parameters(complete), seededRandom(options)));
  }

  stateSpec(batch: number): StateSpec {
    const { dModel, headSize } = this.config;
    return { shift: [batch, dModel], matrix: [batch, dModel / headSize, headSize, headSize] };
  }

  /**
   * As `apply`, inside a model of several layers.
   *
   * @param valueFirst - What the first layer returned as such. [B, L, D].
   */
  applyInModel(x: Tensor, options: ApplyOptions<RwkvMatrixState>, valueFirst?: Tensor): Rwkv7Result {
    if (options.state !== undefined) checkState('rwkv7.applyInModel', this.stateSpec(x.shape[0]), options.state);
    return tf.tidy(() => this.#run(x, options.state, sequenceOptions(options), valueFirst));
  }

  protected forward(x: Tensor, state: RwkvMatrixState | undefined, sequence: SequenceOptions): SequenceResult<RwkvMatrixState> {
    const { output, state: next } = this.#run(x, state, sequence, undefined);
    return { output, state: next };
  }

  #run(x: Tensor, state: RwkvMatrixState | undefined, sequence: SequenceOptions, valueFirst: Tensor | undefined): Rwkv7Result {
    const w = this.parameters;
    const heads = this.dModel / this.config.headSize;
    const { before, shift } = previousStep(x, state?.shift, sequence);
    const difference = tf.sub(before, x);
    const input = (name: string): Tensor => moved(x, difference, w[`x_${name}`]!);
    const r = affine(input('r'), w['receptance.weight']!), key = affine(input('k'), w['key.weight']!), own = affine(input('v'), w['value.weight']!);
    const decay = tf.mul(tf.sigmoid(tf.add(w['w0']!, times(tf.tanh(times(input('w'), w['w1']!)), w['w2']!))), -Math.exp(-0.5));
    const share = (): Tensor => tf.sigmoid(tf.add(w['v0']!, times(times(input('v'), w['v1']!), w['v2']!)));
    const v = valueFirst ? tf.add(own, tf.mul(tf.sub(valueFirst, own), share())) : own;
    const rate = tf.sigmoid(tf.add(w['a0']!, times(times(input('a'), w['a1']!), w['a2']!)));
    const gate = times(tf.sigmoid(times(input('g'), w['g1']!)), w['g2']!);
    const removal = unitLength(splitHeads(tf.mul(key, w['k_k']!), heads));
    const k = tf.mul(key, tf.add(1, tf.mul(tf.sub(rate, 1), w['k_a']!)));
    const { output, state: { matrix } } = gatedLinearAttention(splitHeads(r, heads), splitHeads(k, heads), splitHeads(v, heads), {
      ...sequence, decay: splitHeads(decay, heads), a: tf.neg(removal), b: tf.mul(removal, splitHeads(rate, heads)), scale: 1, ...(state && { state: { matrix: state.matrix } }),
    });
    const bonus = tf.sum(tf.mul(tf.mul(splitHeads(r, heads), splitHeads(k, heads)), w['r_k']!), -1, true); // [B, L, H, 1]
    const normed = tf.add(headNorm(output, w['ln_x.weight']!, w['ln_x.bias'], HEAD_NORM_EPSILON), joinHeads(tf.mul(bonus, splitHeads(v, heads))));
    return { output: affine(tf.mul(normed, gate), w['output.weight']!), state: { shift, matrix }, valueFirst: valueFirst ?? v };
  }
}

/** x / |x|; a row of zeros stays zero. */
function unitLength(x: Tensor): Tensor {
  return tf.div(x, tf.sqrt(tf.maximum(tf.sum(tf.square(x), -1, true), 1e-24)));
}
