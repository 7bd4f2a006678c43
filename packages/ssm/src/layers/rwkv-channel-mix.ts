import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { constant, fanInUniform } from '../random/index.ts';
import { affine } from './affine.ts';
import { createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters } from './parameters.ts';
import { byChannel, depthRatios, mixed, moved, outputInitialiser, previousStep, RWKV_PLACE, squaredRelu } from './rwkv-shared.ts';
import type { RwkvPlace } from './rwkv-shared.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { checkWhole, completeConfig, StreamingLayer } from './streaming-layer.ts';

export type RwkvVersion = 4 | 5 | 6 | 7;

export interface RwkvChannelMixConfig extends RwkvPlace {
  readonly dModel: number;
  readonly version: RwkvVersion;
  /** Inner width; 0 stands for the published 4 dModel (versions 4 and 7) or 3.5 dModel, down to a multiple of 32 (5 and 6). Default 0. */
  readonly dimFfn: number;
}

const DEFAULTS: Omit<RwkvChannelMixConfig, 'dModel'> = { ...RWKV_PLACE, version: 4, dimFfn: 0 };

export function rwkvChannelMixConfig(given: { dModel: number } & Partial<RwkvChannelMixConfig>): RwkvChannelMixConfig {
  const config = completeConfig<RwkvChannelMixConfig>('RwkvChannelMix', given, DEFAULTS);
  if (![4, 5, 6, 7].includes(config.version)) throw new ConfigError(`RwkvChannelMix: version is ${String(config.version)}, expected 4, 5, 6 or 7.`);
  const { dModel, version } = config;
  const published = version === 4 || version === 7 ? 4 * dModel : Math.max(32, Math.floor((3.5 * dModel) / 32) * 32);
  const complete = { ...config, dimFfn: config.dimFfn || published };
  checkWhole('RwkvChannelMix', { dimFfn: complete.dimFfn });
  return complete;
}

/** Names of the mixing weights: of version 4 and 5 the share of the step itself, of 6 and 7 that of the step before. */
const MIXES: Readonly<Record<RwkvVersion, readonly string[]>> = {
  4: ['time_mix_k', 'time_mix_r'], 5: ['time_mix_k', 'time_mix_r'], 6: ['time_maa_k', 'time_maa_r'], 7: ['x_k'],
};

export function rwkvChannelMixParameters(config: RwkvChannelMixConfig): ParameterSpecs {
  const { dModel, version, dimFfn, outputScale } = config;
  const { falling } = depthRatios(config);
  const initialise = byChannel((place) => (version <= 5 ? place ** falling : 1 - place ** (version === 7 ? falling ** 4 : falling)));
  return {
    ...Object.fromEntries(MIXES[version].map((name) => [name, { shape: [1, 1, dModel], initialise }])),
    'key.weight': { shape: [dimFfn, dModel], initialise: fanInUniform() }, 'value.weight': { shape: [dModel, dimFfn], initialise: outputInitialiser(outputScale) },
    ...(version !== 7 && { 'receptance.weight': { shape: [dModel, dModel], initialise: outputScale === 0 ? constant(0) : fanInUniform() } }),
  };
}

/** `shift` [B, D]: the last step's input. */
export type RwkvShiftState = { readonly shift: Tensor };

/**
 * RWKV's channel mix: y = sigmoid(W_r x_r) * W_v relu(W_k x_k)^2, where x_k and x_r mix each step with the one before; version 7 has no receptance.
 *
 * @see Peng et al. 2023, arXiv 2305.13048, section 3.1. Official: BlinkDL/RWKV-LM, `RWKV_ChannelMix`, `RWKV_CMix_x060`, `RWKV_CMix_x070`.
 * @example
 * const layer = RwkvChannelMix.create({ dModel: 64, version: 6 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64]
 */
export class RwkvChannelMix extends StreamingLayer<RwkvShiftState, RwkvChannelMixConfig> {
  static readonly kind = 'rwkv-channel-mix';
  readonly kind = RwkvChannelMix.kind;

  constructor(config: { dModel: number } & Partial<RwkvChannelMixConfig>, parameters: Parameters) {
    super(rwkvChannelMixConfig(config), parameters);
  }

  static create(config: { dModel: number } & Partial<RwkvChannelMixConfig>, options: SeedOptions = {}): RwkvChannelMix {
    const complete = rwkvChannelMixConfig(config);
    return new RwkvChannelMix(complete, createParameters(rwkvChannelMixParameters(complete), seededRandom(options)));
  }

  stateSpec(batch: number): StateSpec {
    return { shift: [batch, this.dModel] };
  }

  protected forward(x: Tensor, state: RwkvShiftState | undefined, sequence: SequenceOptions): SequenceResult<RwkvShiftState> {
    const { version } = this.config;
    const weights = this.parameters;
    const { before, shift } = previousStep(x, state?.shift, sequence);
    const [keyMix, receptanceMix] = MIXES[version] as [string, string?];
    const mix = (name: string): Tensor => (version <= 5 ? mixed(x, before, weights[name]!) : moved(x, tf.sub(before, x), weights[name]!));
    const value = affine(squaredRelu(affine(mix(keyMix), weights['key.weight']!)), weights['value.weight']!);
    if (receptanceMix === undefined) return { output: value, state: { shift } };
    return { output: tf.mul(tf.sigmoid(affine(mix(receptanceMix), weights['receptance.weight']!)), value), state: { shift } };
  }
}
