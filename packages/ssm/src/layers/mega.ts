import type { Tensor, Tensor3D } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ShapeError } from '../errors/index.ts';
import { controlBytes } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { silu } from './activations.ts';
import { affine } from './affine.ts';
import { megaAverage } from './mega-ema.ts';
import { megaLayout } from './mega-layout.ts';
import type { MegaLayout } from './mega-layout.ts';
import { megaConfig, megaParameters } from './mega-parameters.ts';
import type { MegaConfig } from './mega-parameters.ts';
import { assignParameters, createParameters } from './parameters.ts';
import type { Parameters, WeightSource } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { LayerCapabilities, SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { StreamingLayer } from './streaming-layer.ts';

/** `average` [B, D, N]; `key` [B, kept, zdim] and `value` [B, kept, hdim] of the current chunk, or of all steps so far; `position` [B] int32, how many are filled. */
export type MegaState = { readonly average: Tensor; readonly key: Tensor; readonly value: Tensor; readonly position: Tensor };

const LAPLACE_MEAN = Math.SQRT1_2;
const LAPLACE_DEVIATION = Math.sqrt(1 / (4 * Math.PI));

/**
 * Mega: single-head gated attention over an exponential moving average. m = EMA(x); q, k from silu(W m); h = attention(q, k, silu(W_v x));
 * y = x + u (silu(W m + U (r h)) - x), gates u and r from m.
 *
 * @remarks With `chunkSize` (Mega-chunk) attention stays inside chunks of the sequence and the state is constant; without it the state holds every key up to
 * `maxPositions`. Bidirectional layers read whole sequences. Chunks count the counted steps of a segment. Time and memory O(L (L + kept)) in one call whatever the chunk: give long
 * sequences in calls of a few chunks.
 * @see Ma et al. 2022, arXiv 2209.10655. Official: facebookresearch/mega, fairseq/modules/moving_average_gated_attention.py, `MovingAverageGatedAttention`.
 * @example
 * const layer = Mega.create({ dModel: 8, chunkSize: 16, maxPositions: 16 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 40, 8]));   // [2, 40, 8]
 */
export class Mega extends StreamingLayer<MegaState, MegaConfig> {
  static readonly kind = 'mega';
  readonly kind = Mega.kind;
  override readonly capabilities: LayerCapabilities;

  constructor(config: { dModel: number } & Partial<MegaConfig>, parameters: Parameters) {
    super(megaConfig(config), parameters);
    const { bidirectional, chunkSize, maxPositions } = this.config;
    this.capabilities = bidirectional ? { state: 'none', causal: false, runtime: false }
      : chunkSize > 0 ? { state: 'constant', causal: true, runtime: false }
        : { state: 'growing', maximumLength: maxPositions, causal: true, runtime: false };
  }

  static create(config: { dModel: number } & Partial<MegaConfig>, options: SeedOptions = {}): Mega {
    const complete = megaConfig(config);
    return new Mega(complete, createParameters(megaParameters(complete), seededRandom(options)));
  }

  /** @param weights - By the official names: `gamma`, `move.delta`, `mx_proj.weight`, ... */
  static fromOfficial(weights: WeightSource, config: { dModel: number } & Partial<MegaConfig>): Mega {
    const layer = Mega.create(config);
    try {
      assignParameters(layer.parameters, weights, { what: 'Mega.fromOfficial' });
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  stateSpec(batch: number): StateSpec {
    const { dModel, ndim, zdim, hdim, bidirectional } = this.config;
    if (bidirectional) return {};
    const kept = this.#kept();
    return { average: [batch, dModel, ndim], key: [batch, kept, zdim], value: [batch, kept, hdim], position: { shape: [batch], dtype: 'int32' } };
  }

  override step(x: Tensor, state: MegaState): SequenceResult<MegaState> {
    if (this.config.bidirectional) throw new ShapeError('Mega.step: the layer is bidirectional and reads whole sequences only, expected bidirectional: false for steps. Use apply(x).');
    return super.step(x, state);
  }

  /** The bias of attention by place of the key minus place of the step, [2 span - 1]. The caller disposes it. */
  relativeBias(): Tensor {
    return tf.tidy(() => {
      const { relPosBias, zdim } = this.config;
      const span = this.#span();
      if (relPosBias === 'simple') {
        const whole = this.parameters['rel_pos_bias.rel_pos_bias']!;
        return tf.slice(whole, [this.config.maxPositions - span], [2 * span - 1]);
      }
      // alpha and beta are turned by their places; their product depends on the difference only.
      const half = zdim / 2;
      const angles = tf.tensor2d(Array.from({ length: 2 * span - 1 }, (_, i) => Array.from({ length: half }, (__, j) => (i - span + 1) * Math.exp(-j * Math.log(10000) / half))));
      const [a1, a2] = tf.split(this.parameters['rel_pos_bias.alpha']!, 2, 1);
      const [b1, b2] = tf.split(this.parameters['rel_pos_bias.beta']!, 2, 1);
      const even = tf.add(tf.mul(a1!, b1!), tf.mul(a2!, b2!)), odd = tf.sub(tf.mul(a2!, b1!), tf.mul(a1!, b2!));
      return tf.sum(tf.add(tf.mul(tf.cos(angles), even), tf.mul(tf.sin(angles), odd)), 1);
    });
  }

  protected forward(given: Tensor, state: MegaState | undefined, sequence: SequenceOptions): SequenceResult<MegaState> {
    const { dModel, zdim, hdim, bidirectional, norm } = this.config;
    const [batch, length] = given.shape as [number, number, number];
    const w = this.parameters;
    const control = controlBytes('Mega', batch, length, sequence);
    // A masked step's value must reach no sum, not even times 0.
    const residual = control ? tf.where(tf.tensor(Array.from(control, (bits) => (bits & 1) === 0), [batch, length, 1], 'bool'), given, tf.zerosLike(given)) : given;
    const x = norm === 'before' ? this.#normalise(residual) : residual;
    const project = (name: string, input: Tensor): Tensor => affine(input, w[`${name}.weight`]!, w[`${name}.bias`]);
    const value = silu(project('v_proj', x));
    const moved = this.#average(x, state, sequence);
    const [update, low, direct] = tf.split(project('mx_proj', moved.output), [dModel, zdim + hdim, dModel], -1);
    const [shared, reset] = tf.split(silu(low!), [zdim, hdim], -1);
    const [gammaQ, gammaK] = tf.unstack(w['gamma']!), [betaQ, betaK] = tf.unstack(w['beta']!);
    const query = tf.add(tf.mul(shared!, gammaQ!), betaQ!);
    const key = tf.add(tf.mul(shared!, gammaK!), betaK!);
    const kept = this.#kept();
    const keys = state && kept > 0 ? tf.concat([state.key, key], 1) : kept > 0 ? tf.pad(key, [[0, 0], [kept, 0], [0, 0]]) : key;
    const values = state && kept > 0 ? tf.concat([state.value, value], 1) : kept > 0 ? tf.pad(value, [[0, 0], [kept, 0], [0, 0]]) : value;
    const layout = megaLayout(batch, length, kept, control, state ? state.position.dataSync() : new Int32Array(batch), this.config.chunkSize, !bidirectional, this.#span());
    const attended = this.#attend(query, keys, values, layout);
    const candidate = silu(tf.add(direct!, project('h_proj', tf.mul(attended, reset!))));
    const mixed = tf.add(residual, tf.mul(tf.sigmoid(update!), tf.sub(candidate, residual)));
    const output = norm === 'after' ? this.#normalise(mixed) : mixed;
    if (bidirectional) return { output, state: {} as MegaState };
    const keep = (all: Tensor): Tensor => {
      const width = all.shape[2]!;
      const rows = tf.gather(tf.reshape(all, [-1, width]), tf.tensor1d(layout.source, 'int32'));
      return tf.mul(tf.reshape(rows, [batch, kept, width]), tf.tensor(layout.filled, [batch, kept, 1]));
    };
    return { output, state: { average: moved.average!, key: keep(keys), value: keep(values), position: tf.tensor(layout.position, [batch], 'int32') } };
  }

  /** Most places between a step and a key. */
  #span(): number { return this.config.chunkSize > 0 ? this.config.chunkSize : this.config.maxPositions; }
  #kept(): number { return this.config.bidirectional ? 0 : this.#span(); }

  #average(x: Tensor, state: MegaState | undefined, sequence: SequenceOptions): { output: Tensor; average: Tensor | undefined } {
    const { dModel, ndim, bidirectional } = this.config;
    const own = Object.fromEntries(['delta', 'alpha', 'beta', 'gamma', 'omega'].map((name) => [name, this.parameters[`move.${name}`]!]));
    const { output, state: next } = megaAverage(x, own, { dModel, ndim, bidirectional, truncation: null }, state && { average: state.average }, sequence);
    return { output: silu(tf.add(output, tf.mul(x, own['omega']!))), average: 'average' in next ? next.average : undefined };
  }

  /** [B, L, hdim] from queries [B, L, zdim] over keys and values [B, K, ...]. */
  #attend(query: Tensor, keys: Tensor, values: Tensor, layout: MegaLayout): Tensor {
    const { attentionActivation, zdim } = this.config;
    const [batch, length] = query.shape as [number, number, number];
    const shape = [batch, length, keys.shape[1]!];
    const seen = tf.tensor(layout.seen, shape);
    const bias = tf.reshape(tf.gather(this.relativeBias(), tf.tensor1d(layout.offset, 'int32')), shape);
    const products = tf.matMul(query as Tensor3D, keys as Tensor3D, false, true);
    let weights: Tensor;
    if (attentionActivation === 'softmax') {
      const scores = tf.add(tf.mul(products, 1 / Math.sqrt(zdim)), bias);
      weights = tf.mul(tf.softmax(tf.where(tf.cast(seen, 'bool'), scores, tf.fill(shape, -1e30))), seen);
    } else {
      const scores = tf.add(tf.div(products, tf.tensor(layout.count, [batch, length, 1])), bias);
      const bent = attentionActivation === 'relu2' ? tf.square(tf.relu(scores))
        : tf.mul(0.5, tf.add(1, tf.erf(tf.div(tf.sub(scores, LAPLACE_MEAN), LAPLACE_DEVIATION * Math.SQRT2))));
      weights = tf.mul(bent, seen);
    }
    return tf.matMul(weights as Tensor3D, values as Tensor3D);
  }

  #normalise(x: Tensor): Tensor {
    const centred = tf.sub(x, tf.mean(x, -1, true));
    const scaled = tf.div(centred, tf.sqrt(tf.add(tf.mean(tf.square(centred), -1, true), 1e-5)));
    return tf.add(tf.mul(scaled, this.parameters['norm.norm.weight']!), this.parameters['norm.norm.bias']!);
  }
}
