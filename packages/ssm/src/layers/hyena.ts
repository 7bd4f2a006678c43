import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import { causalConv1d, fftConvolution } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { fanInUniform, normal } from '../random/index.ts';
import { affine } from './affine.ts';
import { countSteps } from './growing-state.ts';
import { HYENA_FILTER_DEFAULTS, hyenaFilter, hyenaFilterParameters } from './hyena-filter.ts';
import type { HyenaFilterConfig } from './hyena-filter.ts';
import { assignParameters, createParameters, freeze } from './parameters.ts';
import type { ParameterSpecs, Parameters, WeightSource } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { completeConfig, StreamingLayer } from './streaming-layer.ts';

export interface HyenaConfig extends HyenaFilterConfig {
  readonly dModel: number;
  /** Gates N; there are N - 1 long convolutions. At least 2. Default 2. */
  readonly order: number;
  /** Width of the short convolution over all projections, in steps. Default 3. */
  readonly shortFilterOrder: number;
}

const DEFAULTS = { ...HYENA_FILTER_DEFAULTS, order: 2, shortFilterOrder: 3 } as const;

/** `short` [B, W - 1, (N + 1) D]: tail of the short convolution; `long` [B, maximumLength - 1, (N - 1) D]: past inputs of the long ones; `steps` [B]: how many. */
export type HyenaState = { readonly short: Tensor; readonly long: Tensor; readonly steps: Tensor };

export function hyenaConfig(given: { dModel: number } & Partial<HyenaConfig>): HyenaConfig {
  const config = completeConfig<HyenaConfig>('Hyena', given, DEFAULTS, ['maximumLength', 'order', 'shortFilterOrder', 'embeddingSize', 'filterOrder', 'innerLayers']);
  if (config.order < 2) throw new ConfigError(`Hyena: order is ${config.order}, expected at least 2, so that there is one long convolution.`);
  if (config.embeddingSize < 3 || config.embeddingSize % 2 === 0) throw new ConfigError(`Hyena: embeddingSize is ${config.embeddingSize}, expected an odd number of at least 3: t, and pairs of cosine and sine.`);
  return config;
}

export function hyenaParameters(config: HyenaConfig): ParameterSpecs {
  const { dModel, order, shortFilterOrder } = config;
  const inner = (order + 1) * dModel;
  return {
    'out_proj.weight': { shape: [dModel, dModel], initialise: fanInUniform() },
    'out_proj.bias': { shape: [dModel], initialise: fanInUniform(dModel) },
    'in_proj.weight': { shape: [inner, dModel], initialise: fanInUniform() },
    'in_proj.bias': { shape: [inner], initialise: fanInUniform(dModel) },
    'short_filter.weight': { shape: [inner, 1, shortFilterOrder], initialise: fanInUniform() },
    'short_filter.bias': { shape: [inner], initialise: fanInUniform(shortFilterOrder) },
    'filter_fn.bias': { shape: [dModel * (order - 1)], initialise: normal(1) },
    ...hyenaFilterParameters(config, dModel * (order - 1), 'filter_fn.'),
  };
}

/**
 * Hyena of order N: x_0, ..., x_{N-1}, v = short convolution of a projection;  v = h_n * (x_{N-1-n} v) + bias_n x_{N-1-n} v for n = 0 .. N-2;  y = out(x_0 v), with
 * implicit filters h.
 *
 * @remarks There is no finite recurrence: the state is the past itself, up to the declared maximum length, and a step costs O(D maximumLength). The window's rates and
 * t are buffers of the official layer; the positions z are trained, as there.
 * @see Poli et al. 2023, arXiv 2302.10866. Official: HazyResearch/safari, src/models/sequence/hyena.py, HyenaOperator (one head, one block, no inner factor).
 */
export class Hyena extends StreamingLayer<HyenaState, HyenaConfig> {
  static readonly kind = 'hyena';
  readonly kind = Hyena.kind;

  constructor(config: { dModel: number } & Partial<HyenaConfig>, parameters: Parameters) {
    const complete = hyenaConfig(config);
    super(complete, parameters, { state: 'growing', causal: true, maximumLength: complete.maximumLength, runtime: false });
    freeze(parameters, 'filter_fn.modulation.deltas');
  }

  static create(config: { dModel: number } & Partial<HyenaConfig>, options: SeedOptions = {}): Hyena {
    const complete = hyenaConfig(config);
    return new Hyena(complete, createParameters(hyenaParameters(complete), seededRandom(options)));
  }

  /** @param weights - By official names. `filter_fn.pos_emb.t` and the repeated `freq` of the shared sine are not among them. */
  static fromOfficial(weights: WeightSource, config: { dModel: number } & Partial<HyenaConfig>): Hyena {
    const layer = Hyena.create(config);
    try {
      assignParameters(layer.parameters, weights, { what: 'Hyena.fromOfficial' });
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  stateSpec(batch: number): StateSpec {
    const { dModel, order, shortFilterOrder, maximumLength } = this.config;
    return { short: [batch, shortFilterOrder - 1, (order + 1) * dModel], long: [batch, maximumLength - 1, (order - 1) * dModel], steps: { shape: [batch], dtype: 'int32' } };
  }

  /** Taps [N - 1, D, maximumLength]. The caller disposes them. */
  kernels(): Tensor {
    const { dModel, order, maximumLength } = this.config;
    return tf.tidy(() => tf.transpose(tf.reshape(hyenaFilter(this.config, this.parameters, 'filter_fn.'), [maximumLength, dModel, order - 1]), [2, 1, 0]));
  }

  protected forward(x: Tensor, state: HyenaState | undefined, sequence: SequenceOptions): SequenceResult<HyenaState> {
    const { dModel, order, shortFilterOrder } = this.config;
    const weights = this.parameters;
    const steps = countSteps(this.kind, [x.shape[0]!, x.shape[1]!], sequence, state?.steps, this.config.maximumLength);
    const short = causalConv1d(affine(x, weights['in_proj.weight']!, weights['in_proj.bias']), tf.reshape(weights['short_filter.weight']!, [(order + 1) * dModel, shortFilterOrder]), {
      ...sequence, bias: weights['short_filter.bias'], ...(state && { state: state.short }),
    });
    const parts = tf.split(short.output, order + 1, -1); // x_0 .. x_{N-1}, v
    // Not tf.unstack: its gradient throws where there is one piece (tfjs 4.22).
    const pick = (rows: Tensor, n: number): Tensor => tf.reshape(tf.slice(rows, n, 1), rows.shape.slice(1));
    const kernels = this.kernels();
    const biases = tf.transpose(tf.reshape(weights['filter_fn.bias']!, [dModel, order - 1]));
    const histories = state ? tf.split(state.long, order - 1, -1) : [];
    const long: Tensor[] = [];
    let value = parts[order]!;
    for (let n = 0; n < order - 1; n++) {
      const last = n === order - 2;
      const result = fftConvolution(value, pick(kernels, n), {
        ...sequence, D: pick(biases, n), preGate: parts[order - 1 - n], ...(last && { postGate: parts[0] }), ...(state && { state: histories[n] }),
      });
      value = result.output;
      long.push(result.state);
    }
    return { output: affine(value, weights['out_proj.weight']!, weights['out_proj.bias']), state: { short: short.state, long: tf.concat(long, -1), steps } };
  }
}
