import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { causalConv1d } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { constant, normal } from '../random/index.ts';
import { geluTanh } from './activations.ts';
import { affine } from './affine.ts';
import { assignParameters, createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters, WeightSource } from './parameters.ts';
import { rgLru, rgLruConfig, rgLruParameters } from './rg-lru.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { checkWhole, completeConfig, StreamingLayer } from './streaming-layer.ts';

export interface GriffinConfig {
  /** Width D of input and output. */
  readonly dModel: number;
  /** Width E of the recurrence. Default dModel. */
  readonly lruWidth: number;
  /** Blocks of the gates. Default 1. */
  readonly numHeads: number;
  /** Width of the causal convolution, in steps. Default 4. */
  readonly conv1dTemporalWidth: number;
}

/** `convolution` [B, W - 1, E], oldest first; `hidden` [B, E]; `begun` [B] int32. */
export type GriffinState = { readonly convolution: Tensor; readonly hidden: Tensor; readonly begun: Tensor };

/**
 * Griffin's recurrent block: y = W_out (gelu(W_y x) * RG-LRU(conv(W_x x))). With an MLP after it in every layer of a backbone this is Hawk; with every third layer a
 * local attention it is Griffin.
 *
 * @remarks Names and shapes as in the official code. Time O(L E (D + E / heads)), state O(E W).
 * @see De et al. 2024, arXiv 2402.19427, section 2.3. Official: google-deepmind/recurrentgemma, recurrentgemma/torch/modules.py, `RecurrentBlock`.
 * @example
 * const layer = Griffin.create({ dModel: 8, lruWidth: 12, numHeads: 2 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 100, 8]));   // [2, 100, 8]
 */
export class Griffin extends StreamingLayer<GriffinState, GriffinConfig> {
  static readonly kind = 'griffin';
  readonly kind = Griffin.kind;

  constructor(config: { dModel: number } & Partial<GriffinConfig>, parameters: Parameters) {
    super(griffinConfig(config), parameters);
  }

  static create(config: { dModel: number } & Partial<GriffinConfig>, options: SeedOptions = {}): Griffin {
    const complete = griffinConfig(config);
    return new Griffin(complete, createParameters(griffinParameters(complete), seededRandom(options)));
  }

  /** @param weights - `linear_y`, `linear_x`, `linear_out` (weight, bias), `conv_1d.w` [W, E] (latest input last), `conv_1d.b`, `rg_lru.*`. */
  static fromOfficial(weights: WeightSource, config: { dModel: number } & Partial<GriffinConfig>): Griffin {
    const layer = Griffin.create(config);
    try {
      assignParameters(layer.parameters, weights, { what: 'Griffin.fromOfficial' });
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  stateSpec(batch: number): StateSpec {
    const { lruWidth, conv1dTemporalWidth } = this.config;
    return { convolution: [batch, conv1dTemporalWidth - 1, lruWidth], hidden: [batch, lruWidth], begun: { shape: [batch], dtype: 'int32' } };
  }

  protected forward(x: Tensor, state: GriffinState | undefined, sequence: SequenceOptions): SequenceResult<GriffinState> {
    const w = this.parameters;
    const project = (name: string, input: Tensor): Tensor => affine(input, w[`${name}.weight`]!, w[`${name}.bias`]);
    const gate = geluTanh(project('linear_y', x));
    const convolved = causalConv1d(project('linear_x', x), tf.transpose(w['conv_1d.w']!), { ...sequence, bias: w['conv_1d.b'], state: state?.convolution });
    const recurrent = rgLru(convolved.output, w, 'rg_lru.', state && { hidden: state.hidden, begun: state.begun }, sequence);
    return { output: project('linear_out', tf.mul(recurrent.output, gate)), state: { convolution: convolved.state, ...recurrent.state } };
  }
}

export function griffinConfig(given: { dModel: number } & Partial<GriffinConfig>): GriffinConfig {
  const config = completeConfig<GriffinConfig>('Griffin', given, { lruWidth: given.dModel, numHeads: 1, conv1dTemporalWidth: 4 });
  checkWhole('Griffin', { lruWidth: config.lruWidth, conv1dTemporalWidth: config.conv1dTemporalWidth });
  rgLruConfig({ dModel: config.lruWidth, numHeads: config.numHeads });
  return config;
}

/** First values of the official code: maps normal of variance 1 / inputs, convolution of variance .01 / width, biases 0. */
export function griffinParameters({ dModel, lruWidth, numHeads, conv1dTemporalWidth }: GriffinConfig): ParameterSpecs {
  const dense = (name: string, outputs: number, inputs: number): ParameterSpecs => ({
    [`${name}.weight`]: { shape: [outputs, inputs], initialise: normal(1 / Math.sqrt(inputs)) }, [`${name}.bias`]: { shape: [outputs], initialise: constant(0) },
  });
  return {
    ...dense('linear_y', lruWidth, dModel), ...dense('linear_x', lruWidth, dModel), ...dense('linear_out', dModel, lruWidth),
    'conv_1d.w': { shape: [conv1dTemporalWidth, lruWidth], initialise: normal(Math.sqrt(0.01 / conv1dTemporalWidth)) },
    'conv_1d.b': { shape: [lruWidth], initialise: constant(0) },
    ...rgLruParameters({ dModel: lruWidth, numHeads }, 'rg_lru.'),
  };
}
