import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ShapeError } from '../errors/index.ts';
import { causalConv1d, linearScan } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { constant, normal } from '../random/index.ts';
import { silu } from './activations.ts';
import { assignParameters, createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters, WeightSource } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { LayerCapabilities, SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { checkWhole, completeConfig, StreamingLayer } from './streaming-layer.ts';

export interface MegaEmaConfig {
  /** Width D of input and output. */
  readonly dModel: number;
  /** Averages N of each channel. Default 2. */
  readonly ndim: number;
  readonly bidirectional: boolean;
  /** Steps after which the average forgets, or null for never. Default null. */
  readonly truncation: number | null;
}

/** `average` [B, D, N]; with truncation the last inputs `tail` [B, truncation - 1, D]. */
export type MegaEmaState = { readonly average: Tensor } | { readonly tail: Tensor };

/**
 * Damped exponential moving average: h[t] = (1 - p alpha) h[t-1] + p beta x[t];  y[t] = silu(gamma . h[t] / sqrt(N) + omega x[t]), p = sigmoid(delta), alpha through a
 * sigmoid, N averages for each channel.
 *
 * @remarks The recurrence, not the official FFT: no kernel as long as the sequence. `bidirectional` runs a second set of averages from the end and has no state;
 * both directions see the present step, as in the official code. Time O(L D N), state O(D N).
 * @see Ma et al. 2022, arXiv 2209.10655, equations 2 to 5. Official: facebookresearch/mega, fairseq/modules/exponential_moving_average.py, `MultiHeadEMA`.
 * @example
 * const layer = MegaEma.create({ dModel: 8, ndim: 4 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 100, 8]));   // [2, 100, 8]
 */
export class MegaEma extends StreamingLayer<MegaEmaState, MegaEmaConfig> {
  static readonly kind = 'mega-ema';
  readonly kind = MegaEma.kind;
  override readonly capabilities: LayerCapabilities;

  constructor(config: { dModel: number } & Partial<MegaEmaConfig>, parameters: Parameters) {
    super(megaEmaConfig(config), parameters);
    const { bidirectional } = this.config;
    this.capabilities = { state: bidirectional ? 'none' : 'constant', causal: !bidirectional, runtime: false };
  }

  static create(config: { dModel: number } & Partial<MegaEmaConfig>, options: SeedOptions = {}): MegaEma {
    const complete = megaEmaConfig(config);
    return new MegaEma(complete, createParameters(megaEmaParameters(complete), seededRandom(options)));
  }

  /** @param weights - `delta`, `alpha`, `beta` [D, N, 1], `gamma` [D, N], `omega` [D]; 2 D rows where bidirectional. */
  static fromOfficial(weights: WeightSource, config: { dModel: number } & Partial<MegaEmaConfig>): MegaEma {
    const layer = MegaEma.create(config);
    try {
      assignParameters(layer.parameters, weights, { what: 'MegaEma.fromOfficial' });
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  stateSpec(batch: number): StateSpec {
    const { dModel, ndim, bidirectional, truncation } = this.config;
    if (bidirectional) return {};
    return truncation === null ? { average: [batch, dModel, ndim] } : { tail: [batch, truncation - 1, dModel] };
  }

  override step(x: Tensor, state: MegaEmaState): SequenceResult<MegaEmaState> {
    if (this.config.bidirectional) throw new ShapeError('MegaEma.step: the layer is bidirectional and reads whole sequences only, expected bidirectional: false for steps. Use apply(x).');
    return super.step(x, state);
  }

  protected forward(x: Tensor, state: MegaEmaState | undefined, sequence: SequenceOptions): SequenceResult<MegaEmaState> {
    const { output, state: next } = megaAverage(x, this.parameters, this.config, state, sequence);
    return { output: silu(tf.add(output, tf.mul(x, this.parameters['omega']!))), state: next };
  }
}

/** Factor q on the state, weight p beta of the input, weight gamma / sqrt(N) of the output, each [rows * N]. */
function coefficients(parameters: Parameters, begin: number, count: number): { decay: Tensor; input: Tensor; output: Tensor } {
  const part = (name: string): Tensor => {
    const tensor = parameters[name]!;
    return tf.reshape(tf.slice(tensor, [begin], [count]), [-1]);
  };
  const p = tf.sigmoid(part('delta'));
  const ndim = parameters['gamma']!.shape[1]!;
  return { decay: tf.sub(1, tf.mul(p, tf.sigmoid(part('alpha')))), input: tf.mul(p, part('beta')), output: tf.div(part('gamma'), Math.sqrt(ndim)) };
}

/**
 * The averages without silu and omega: output [B, L, D] and the final state. Made inside the caller's tidy.
 *
 * @param parameters - `delta`, `alpha`, `beta`, `gamma` by these names.
 */
export function megaAverage(
  x: Tensor, parameters: Parameters, config: MegaEmaConfig, state: MegaEmaState | undefined, sequence: SequenceOptions,
): { output: Tensor; state: MegaEmaState } {
  const { dModel, ndim, bidirectional, truncation } = config;
  const [batch, length] = x.shape as [number, number, number];
  if (truncation !== null) {
    const kernel = megaKernel(parameters, 0, dModel, truncation); // [D, T], offset 0 first; the convolution reads the oldest first
    const tail = state && 'tail' in state ? state.tail : undefined;
    const convolved = causalConv1d(x, tf.reverse(kernel, 1), { ...sequence, state: tail });
    if (!bidirectional) return { output: convolved.output, state: { tail: convolved.state } };
    throw new ShapeError('MegaEma: truncation with bidirectional is not defined here, expected one of them. Leave truncation out.');
  }
  const channels = dModel * ndim;
  const run = (begin: number, reverse: boolean): { output: Tensor; state: Tensor } => {
    const { decay, input, output } = coefficients(parameters, begin, dModel);
    const driven = tf.reshape(tf.mul(tf.expandDims(x, -1), tf.reshape(input, [dModel, ndim])), [batch, length, channels]);
    const start = state && 'average' in state ? tf.reshape(state.average, [batch, channels]) : undefined;
    const scanned = linearScan(decay, driven, { ...sequence, reverse, state: start });
    const weighted = tf.sum(tf.reshape(tf.mul(scanned.output, output), [batch, length, dModel, ndim]), -1);
    return { output: weighted, state: tf.reshape(scanned.state, [batch, dModel, ndim]) };
  };
  const there = run(0, false);
  if (!bidirectional) return { output: there.output, state: { average: there.state } };
  return { output: tf.add(there.output, run(dModel, true).output), state: {} as MegaEmaState };
}

/**
 * The average as a convolution kernel: k[d, l] = sum_n gamma p beta / sqrt(N) (1 - p alpha)^l, by running the recurrence on an impulse.
 *
 * @returns [count, length], offset 0 first; made inside the caller's tidy.
 */
export function megaKernel(parameters: Parameters, begin: number, count: number, length: number): Tensor {
  const { decay, input, output } = coefficients(parameters, begin, count);
  const ndim = parameters['gamma']!.shape[1]!;
  const impulse = tf.pad(tf.reshape(input, [1, 1, count * ndim]), [[0, 0], [0, length - 1], [0, 0]]);
  const weighted = tf.mul(linearScan(decay, impulse).output, output);
  return tf.transpose(tf.sum(tf.reshape(weighted, [length, count, ndim]), -1));
}

export function megaEmaConfig(given: { dModel: number } & Partial<MegaEmaConfig>): MegaEmaConfig {
  const config = completeConfig<MegaEmaConfig>('MegaEma', given, { ndim: 2, bidirectional: false, truncation: null });
  checkWhole('MegaEma', { ndim: config.ndim, ...(config.truncation !== null && { truncation: config.truncation }) });
  return config;
}

/** First values of the official code: delta, alpha normal .2; beta alternates in sign around its mean; gamma and omega normal 1. */
export function megaEmaParameters({ dModel, ndim, bidirectional }: MegaEmaConfig): ParameterSpecs {
  const rows = bidirectional ? 2 * dModel : dModel;
  return {
    delta: { shape: [rows, ndim, 1], initialise: normal(0.2) },
    alpha: { shape: [rows, ndim, 1], initialise: normal(0.2) },
    // Ones where n is even, minus ones where it is odd, plus noise of .02: the averages of a channel start apart.
    beta: { shape: [rows, ndim, 1], initialise: (_shape, random) => random.normal(rows * ndim, { deviation: 0.02 }).map((noise, i) => noise + (i % ndim % 2 === 0 ? 1 : -1)) },
    gamma: { shape: [rows, ndim], initialise: normal(1) },
    omega: { shape: [dModel], initialise: ndim > 0 ? normal(1) : constant(0) },
  };
}
