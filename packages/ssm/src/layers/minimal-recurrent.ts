import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { linearScan } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { constant, fanInUniform } from '../random/index.ts';
import { affine } from './affine.ts';
import { createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { checkWhole, completeConfig, StreamingLayer } from './streaming-layer.ts';

export interface MinimalRecurrentConfig {
  readonly dModel: number;
  /** Width of the hidden state is expand x dModel; from 2 on it is projected back. Default 1. */
  readonly expand: number;
}

/** `hidden` [B, E]. */
export type MinimalRecurrentState = { readonly hidden: Tensor };

/** g(x) = x + 1/2 for x >= 0, else sigmoid(x): positive and continuous, as the papers' parallel form needs it. */
function positive(x: Tensor): Tensor {
  return tf.where(tf.greaterEqual(x, 0), tf.add(x, 0.5), tf.sigmoid(x));
}

/** What minGRU and minLSTM share: gates of the input only, one linear scan, optional projection back. */
abstract class MinimalRecurrent extends StreamingLayer<MinimalRecurrentState, MinimalRecurrentConfig> {
  stateSpec(batch: number): StateSpec {
    return { hidden: [batch, this.config.expand * this.config.dModel] };
  }

  /** How much of the state stays and how much of the candidate enters, from the projected input. */
  protected abstract gates(x: Tensor): { keep: Tensor; enter: Tensor };

  protected forward(x: Tensor, state: MinimalRecurrentState | undefined, sequence: SequenceOptions): SequenceResult<MinimalRecurrentState> {
    const { keep, enter } = this.gates(x);
    const candidate = positive(this.project('linear_h', x));
    const scanned = linearScan(keep, tf.mul(enter, candidate), { ...sequence, state: state?.hidden });
    return { output: this.config.expand > 1 ? this.project('out_proj', scanned.output) : scanned.output, state: { hidden: scanned.state } };
  }

  protected project(name: string, x: Tensor): Tensor {
    return affine(x, this.parameters[`${name}.weight`], this.parameters[`${name}.bias`]);
  }
}

/**
 * minGRU: h[t] = (1 - z[t]) h[t-1] + z[t] g(W_h x[t]),  z = sigmoid(W_z x).
 *
 * @remarks Gates see the input only, so the recurrence is linear. Time O(L D E), state O(E).
 * @see Feng et al. 2024, "Were RNNs all we needed?", arXiv 2410.01201, section 3.1 and appendix B (g).
 */
export class MinGru extends MinimalRecurrent {
  static readonly kind = 'mingru';
  readonly kind = MinGru.kind;

  constructor(config: { dModel: number } & Partial<MinimalRecurrentConfig>, parameters: Parameters) {
    super(minimalConfig('minGRU', config), parameters);
  }

  static create(config: { dModel: number } & Partial<MinimalRecurrentConfig>, options: SeedOptions = {}): MinGru {
    const complete = minimalConfig('minGRU', config);
    return new MinGru(complete, createParameters(minGruParameters(complete), seededRandom(options)));
  }

  protected gates(x: Tensor): { keep: Tensor; enter: Tensor } {
    const logits = this.project('linear_z', x);
    return { keep: tf.sigmoid(tf.neg(logits)), enter: tf.sigmoid(logits) };
  }
}

/**
 * minLSTM: h[t] = f' h[t-1] + i' g(W_h x[t]), with f' = f / (f + i), i' = i / (f + i), f = sigmoid(W_f x), i = sigmoid(W_i x).
 *
 * @remarks The two gates share out to 1, so the state stays on the scale of its inputs.
 * @see Feng et al. 2024, arXiv 2410.01201, section 3.2 and appendix B.
 */
export class MinLstm extends MinimalRecurrent {
  static readonly kind = 'minlstm';
  readonly kind = MinLstm.kind;

  constructor(config: { dModel: number } & Partial<MinimalRecurrentConfig>, parameters: Parameters) {
    super(minimalConfig('minLSTM', config), parameters);
  }

  static create(config: { dModel: number } & Partial<MinimalRecurrentConfig>, options: SeedOptions = {}): MinLstm {
    const complete = minimalConfig('minLSTM', config);
    return new MinLstm(complete, createParameters(minLstmParameters(complete), seededRandom(options)));
  }

  protected gates(x: Tensor): { keep: Tensor; enter: Tensor } {
    // f / (f + i) = sigmoid(log f - log i), with no quotient of two small numbers.
    const difference = tf.sub(tf.softplus(tf.neg(this.project('linear_i', x))), tf.softplus(tf.neg(this.project('linear_f', x))));
    return { keep: tf.sigmoid(difference), enter: tf.sigmoid(tf.neg(difference)) };
  }
}

export function minimalConfig(name: string, given: { dModel: number } & Partial<MinimalRecurrentConfig>): MinimalRecurrentConfig {
  const config = completeConfig<MinimalRecurrentConfig>(name, given, { expand: 1 });
  checkWhole(name, { expand: config.expand });
  return config;
}

function minimalParameters({ dModel, expand }: MinimalRecurrentConfig, gates: readonly string[]): ParameterSpecs {
  const inner = expand * dModel;
  const dense = (name: string, outputs: number, inputs: number): ParameterSpecs => ({
    [`${name}.weight`]: { shape: [outputs, inputs], initialise: fanInUniform() }, [`${name}.bias`]: { shape: [outputs], initialise: fanInUniform(inputs) },
  });
  return {
    ...Object.assign({}, ...[...gates, 'linear_h'].map((name) => dense(name, inner, dModel))) as ParameterSpecs,
    ...(expand > 1 ? { 'out_proj.weight': { shape: [dModel, inner], initialise: fanInUniform() }, 'out_proj.bias': { shape: [dModel], initialise: constant(0) } } : {}),
  };
}

export const minGruParameters = (config: MinimalRecurrentConfig): ParameterSpecs => minimalParameters(config, ['linear_z']);
export const minLstmParameters = (config: MinimalRecurrentConfig): ParameterSpecs => minimalParameters(config, ['linear_f', 'linear_i']);
