import type { Tensor, Tensor3D } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import { controlBytes, linearScan } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { constant, normal } from '../random/index.ts';
import type { Initialiser } from '../random/index.ts';
import { assignParameters, createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters, WeightSource } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { checkWhole, completeConfig, StreamingLayer } from './streaming-layer.ts';

export interface RgLruConfig {
  /** Width E of input, output and state. */
  readonly dModel: number;
  /** Blocks of the gates' matrices. Default 1. */
  readonly numHeads: number;
}

/** `hidden` [B, E]; `begun` [B] int32: 1 once a step has counted, because the first step of a sequence is not scaled. */
export type RgLruState = { readonly hidden: Tensor; readonly begun: Tensor };

/** The gate's exponent: a = sigmoid(Lambda)^(c r). */
const SHARPNESS = 8;
/** The square root's slope is bounded where its argument is near 0, as in the official code. */
const MOST_SLOPE = 1000;

/**
 * Real-gated linear recurrent unit: h[t] = a[t] h[t-1] + sqrt(1 - a[t]^2) (i[t] x[t]),  a = exp(-8 r softplus(a_param)), r and i sigmoids of block-diagonal maps of x.
 *
 * @remarks At the first step of a sequence or segment the state is 0 and the root is 1, as in the official code; `begun` carries that through chunks. 1 - a^2 is taken
 * by expm1, which the official code does not. Time O(L E^2 / heads), state O(E).
 * @see De et al. 2024, arXiv 2402.19427, section 2.4. Official: google-deepmind/recurrentgemma, recurrentgemma/torch/layers.py, `RGLRU`.
 * @example
 * const layer = RgLru.create({ dModel: 8, numHeads: 2 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 100, 8]));   // [2, 100, 8]
 */
export class RgLru extends StreamingLayer<RgLruState, RgLruConfig> {
  static readonly kind = 'rg-lru';
  readonly kind = RgLru.kind;

  constructor(config: { dModel: number } & Partial<RgLruConfig>, parameters: Parameters) {
    super(rgLruConfig(config), parameters);
  }

  static create(config: { dModel: number } & Partial<RgLruConfig>, options: SeedOptions = {}): RgLru {
    const complete = rgLruConfig(config);
    return new RgLru(complete, createParameters(rgLruParameters(complete), seededRandom(options)));
  }

  /** @param weights - `a_param` [E], `input_gate.w`, `a_gate.w` [H, E/H, E/H] (inputs first), `input_gate.b`, `a_gate.b` [H, E/H]. */
  static fromOfficial(weights: WeightSource, config: { dModel: number } & Partial<RgLruConfig>): RgLru {
    const layer = RgLru.create(config);
    try {
      assignParameters(layer.parameters, weights, { what: 'RgLru.fromOfficial' });
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  stateSpec(batch: number): StateSpec {
    return { hidden: [batch, this.config.dModel], begun: { shape: [batch], dtype: 'int32' } };
  }

  protected forward(x: Tensor, state: RgLruState | undefined, sequence: SequenceOptions): SequenceResult<RgLruState> {
    return rgLru(x, this.parameters, '', state, sequence);
  }
}

/** The unit with its parameters under a prefix; made inside the caller's tidy. */
export function rgLru(x: Tensor, parameters: Parameters, prefix: string, state: RgLruState | undefined, sequence: SequenceOptions): SequenceResult<RgLruState> {
  const [batch, length] = x.shape as [number, number, number];
  const gate = (name: string): Tensor => tf.sigmoid(blockDiagonal(x, parameters[`${prefix}${name}.w`]!, parameters[`${prefix}${name}.b`]!));
  const exponent = tf.mul(tf.mul(gate('a_gate'), tf.softplus(parameters[`${prefix}a_param`]!)), -SHARPNESS); // log a
  const { starts, begun } = startsOf(batch, length, state, sequence);
  const decay = tf.mul(tf.exp(exponent), tf.sub(1, starts)); // a start forgets the state
  const share = boundedRoot(tf.neg(tf.expm1(tf.mul(exponent, 2))));
  const scale = tf.add(starts, tf.mul(tf.sub(1, starts), share));
  const driven = tf.mul(tf.mul(x, gate('input_gate')), scale);
  const scanned = linearScan(decay, driven, { ...sequence, state: state?.hidden });
  return { output: scanned.output, state: { hidden: scanned.state, begun } };
}

/** 1 at each step [B, L, 1] that is the first of its sequence or segment; and whether any step has counted by the end. */
function startsOf(batch: number, length: number, state: RgLruState | undefined, sequence: SequenceOptions): { starts: Tensor; begun: Tensor } {
  const control = controlBytes('rgLru', batch, length, sequence);
  const begun = state ? Int32Array.from(state.begun.dataSync()) : new Int32Array(batch);
  const starts = new Float32Array(batch * length);
  for (let b = 0; b < batch; b++) {
    for (let t = 0; t < length; t++) {
      const bits = control?.[b * length + t] ?? 0;
      if (bits & 1) continue;
      if (begun[b] === 0 || bits & 2) starts[b * length + t] = 1;
      begun[b] = 1;
    }
  }
  return { starts: tf.tensor(starts, [batch, length, 1]), begun: tf.tensor(begun, [batch], 'int32') };
}

/** sqrt(x) with a slope of at most 1000 / 2 where x is near 0: there the true one is infinite. */
function boundedRoot(x: Tensor): Tensor {
  return tf.customGrad((...[value, save]) => {
    (save as unknown as (tensors: Tensor[]) => void)([value as Tensor]);
    return {
      value: tf.sqrt(tf.maximum(value as Tensor, 0)),
      gradFunc: (slope: Tensor, saved: Tensor[]) => tf.div(slope, tf.sqrt(tf.maximum(tf.mul(saved[0]!, 4), 1 / MOST_SLOPE ** 2))),
    };
  })(x);
}

/** x [B, L, E] times a block-diagonal matrix [H, E/H, E/H] (inputs first), plus bias [H, E/H]. */
export function blockDiagonal(x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  const [batch, length, width] = x.shape as [number, number, number];
  const heads = weight.shape[0]!;
  const rows = tf.transpose(tf.reshape(x, [batch * length, heads, width / heads]), [1, 0, 2]) as Tensor3D; // [H, B L, P]
  const product = tf.add(tf.matMul(rows, weight as Tensor3D), tf.expandDims(bias, 1));
  return tf.reshape(tf.transpose(product, [1, 0, 2]), [batch, length, width]);
}

export function rgLruConfig(given: { dModel: number } & Partial<RgLruConfig>): RgLruConfig {
  const config = completeConfig<RgLruConfig>('RG-LRU', given, { numHeads: 1 });
  checkWhole('RG-LRU', { numHeads: config.numHeads });
  if (config.dModel % config.numHeads !== 0) throw new ConfigError(`RG-LRU: dModel is ${config.dModel} and numHeads ${config.numHeads}, expected heads that divide the width.`);
  return config;
}

/** First decays a^c with a uniform in area on the ring from .9 to .999; gates normal of variance 1 / (E / heads). */
export function rgLruParameters({ dModel, numHeads }: RgLruConfig, prefix = ''): ParameterSpecs {
  const block = dModel / numHeads;
  const ring: Initialiser = ([count], random) => Float32Array.from({ length: count! }, () => {
    const square = random.next() * (0.999 ** 2 - 0.9 ** 2) + 0.9 ** 2;
    return Math.log(Math.expm1(-0.5 * Math.log(square))); // softplus of it is -log |a|
  });
  return {
    [`${prefix}a_param`]: { shape: [dModel], initialise: ring },
    [`${prefix}input_gate.w`]: { shape: [numHeads, block, block], initialise: normal(1 / Math.sqrt(block)) },
    [`${prefix}input_gate.b`]: { shape: [numHeads, block], initialise: constant(0) },
    [`${prefix}a_gate.w`]: { shape: [numHeads, block, block], initialise: normal(1 / Math.sqrt(block)) },
    [`${prefix}a_gate.b`]: { shape: [numHeads, block], initialise: constant(0) },
  };
}
