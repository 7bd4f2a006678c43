import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import { linearScan, rmsNorm } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { constant, glorotUniform } from '../random/index.ts';
import { silu } from './activations.ts';
import { affine } from './affine.ts';
import { createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { checkWhole, completeConfig, StreamingLayer } from './streaming-layer.ts';

export interface HgrnConfig {
  readonly dModel: number;
  /** Inner width is expandRatio x dModel. Default 1. */
  readonly expandRatio: number;
  /** Least value of the forget gate, from 0 to below 1. The paper raises it from layer to layer. Default 0. */
  readonly lowerBound: number;
  readonly normEps: number;
}

/** `hidden` [B, E]. */
export type HgrnState = { readonly hidden: Tensor };

/**
 * HGRN: h[t] = f[t] h[t-1] + (1 - f[t]) silu(W_i x[t]);  y[t] = W_o (norm(h[t]) silu(W_g x[t])), f = lowerBound + (1 - lowerBound) sigmoid(W_f x).
 *
 * @remarks The real-valued form: the paper's state is complex with a learnt phase, the widely used implementation's is real. The norm stands before the gate, as
 * in both codes; the README of the paper's code has it after. Time O(L D^2), state O(E).
 * @see Qin et al. 2023, arXiv 2311.04823. Official: fla-org/flash-linear-attention, fla/layers/hgrn.py, `HGRNAttention`.
 * @example
 * const layer = Hgrn.create({ dModel: 64, lowerBound: 0.3 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64]
 */
export class Hgrn extends StreamingLayer<HgrnState, HgrnConfig> {
  static readonly kind = 'hgrn';
  readonly kind = Hgrn.kind;

  constructor(config: { dModel: number } & Partial<HgrnConfig>, parameters: Parameters) {
    super(hgrnConfig(config), parameters);
  }

  static create(config: { dModel: number } & Partial<HgrnConfig>, options: SeedOptions = {}): Hgrn {
    const complete = hgrnConfig(config);
    return new Hgrn(complete, createParameters(hgrnParameters(complete), seededRandom(options)));
  }

  stateSpec(batch: number): StateSpec {
    return { hidden: [batch, this.config.expandRatio * this.config.dModel] };
  }

  protected forward(x: Tensor, state: HgrnState | undefined, sequence: SequenceOptions): SequenceResult<HgrnState> {
    const { lowerBound, normEps } = this.config;
    const w = this.parameters;
    const logits = affine(x, w['f_proj.weight']);
    const keep = tf.add(tf.mul(tf.sigmoid(logits), 1 - lowerBound), lowerBound);
    // 1 - f without the loss of digits where f is near 1.
    const enter = tf.mul(tf.sigmoid(tf.neg(logits)), 1 - lowerBound);
    const scanned = linearScan(keep, tf.mul(enter, silu(affine(x, w['i_proj.weight']))), { ...sequence, state: state?.hidden });
    const gated = rmsNorm(scanned.output, w['g_norm.weight'], { epsilon: normEps, z: affine(x, w['g_proj.weight']) });
    return { output: affine(gated, w['o_proj.weight']), state: { hidden: scanned.state } };
  }
}

export function hgrnConfig(given: { dModel: number } & Partial<HgrnConfig>): HgrnConfig {
  const config = completeConfig<HgrnConfig>('HGRN', given, { expandRatio: 1, lowerBound: 0, normEps: 1e-5 });
  checkWhole('HGRN', { expandRatio: config.expandRatio });
  if (!(config.lowerBound >= 0 && config.lowerBound < 1)) throw new ConfigError(`HGRN: lowerBound is ${config.lowerBound}, expected a number from 0 to below 1.`);
  return config;
}

export function hgrnParameters({ dModel, expandRatio }: HgrnConfig): ParameterSpecs {
  const inner = expandRatio * dModel, initialise = glorotUniform(2 ** -2.5);
  return {
    'i_proj.weight': { shape: [inner, dModel], initialise }, 'f_proj.weight': { shape: [inner, dModel], initialise },
    'g_proj.weight': { shape: [inner, dModel], initialise }, 'g_norm.weight': { shape: [inner], initialise: constant(1) },
    'o_proj.weight': { shape: [dModel, inner], initialise },
  };
}
