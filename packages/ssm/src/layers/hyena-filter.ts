import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { constant, fanInUniform } from '../random/index.ts';
import { affine } from './affine.ts';
import type { ParameterSpecs, Parameters } from './parameters.ts';

/** Hyena's implicit filter: taps as a function of their place, through a small network with sines. */
export interface HyenaFilterConfig {
  /** Taps there are positions for. */
  readonly maximumLength: number;
  /** Position features: t and (embeddingSize - 1) / 2 sines and cosines. Odd, at least 3. Default 3. */
  readonly embeddingSize: number;
  /** Width of the network. Default 64. */
  readonly filterOrder: number;
  /** Inner layers. Default 2. */
  readonly innerLayers: number;
  /** First frequency of the sines. Default 1. */
  readonly frequency: number;
  /** Window exp(-t |delta|) + shift over the taps. Default true and 0. */
  readonly modulate: boolean;
  readonly shift: number;
  /** Divides the taps of a place by their absolute sum over the channels. Default false. */
  readonly normalized: boolean;
}

export const HYENA_FILTER_DEFAULTS = { maximumLength: 1024, embeddingSize: 3, filterOrder: 64, innerLayers: 2, frequency: 1, modulate: true, shift: 0, normalized: false } as const;

/** z [L, embeddingSize]: t from 0 to 1, then cosines and minus sines of 2 pi position / L times frequencies from 1e-4 to bands - 1. */
export function hyenaPositions(maximumLength: number, embeddingSize: number): Float32Array {
  const bands = (embeddingSize - 1) / 2;
  const values = new Float32Array(maximumLength * embeddingSize);
  for (let position = 0; position < maximumLength; position++) {
    values[position * embeddingSize] = maximumLength > 1 ? position / (maximumLength - 1) : 0;
    for (let band = 0; band < bands; band++) {
      const frequency = bands > 1 ? 1e-4 + (band * (bands - 1 - 1e-4)) / (bands - 1) : 1e-4;
      const angle = (2 * Math.PI * position * frequency) / maximumLength;
      values[position * embeddingSize + 1 + band] = Math.cos(angle);
      values[position * embeddingSize + 1 + bands + band] = -Math.sin(angle);
    }
  }
  return values;
}

/** Rates of the window from fast to slow: log(target) / 1.5 to log(target) / .3, target .01. */
export function hyenaDeltas(channels: number): Float32Array {
  const [first, last] = [Math.log(0.01) / 1.5, Math.log(0.01) / 0.3];
  return Float32Array.from({ length: channels }, (_, i) => first + (channels > 1 ? (i * (last - first)) / (channels - 1) : 0));
}

/** Parameters by official names; `channels` taps at each place. */
export function hyenaFilterParameters(config: HyenaFilterConfig, channels: number, prefix: string): ParameterSpecs {
  const { maximumLength, embeddingSize, filterOrder, innerLayers, frequency } = config;
  const linear = (place: number, outputs: number, inputs: number, bias = true): ParameterSpecs => ({
    [`${prefix}implicit_filter.${place}.weight`]: { shape: [outputs, inputs], initialise: fanInUniform() },
    ...(bias ? { [`${prefix}implicit_filter.${place}.bias`]: { shape: [outputs], initialise: fanInUniform(inputs) } } : {}),
  });
  return {
    [`${prefix}pos_emb.z`]: { shape: [1, maximumLength, embeddingSize], initialise: () => hyenaPositions(maximumLength, embeddingSize) },
    ...linear(0, filterOrder, embeddingSize),
    [`${prefix}implicit_filter.1.freq`]: { shape: [1, filterOrder], initialise: constant(frequency) },
    ...Object.assign({}, ...Array.from({ length: innerLayers }, (_, i) => linear(2 + 2 * i, filterOrder, filterOrder))) as ParameterSpecs,
    ...linear(2 + 2 * innerLayers, channels, filterOrder, false),
    [`${prefix}modulation.deltas`]: { shape: [1, 1, channels], initialise: () => hyenaDeltas(channels) },
  };
}

/** Taps [length, channels] of the first `length` places. The caller disposes them. */
export function hyenaFilter(config: HyenaFilterConfig, parameters: Parameters, prefix: string, length = config.maximumLength): Tensor {
  return tf.tidy(() => {
    const of = (name: string): Tensor => parameters[`${prefix}${name}`]!;
    const sine = (x: Tensor): Tensor => tf.sin(tf.mul(of('implicit_filter.1.freq'), x));
    const linear = (x: Tensor, place: number): Tensor => affine(x, of(`implicit_filter.${place}.weight`), parameters[`${prefix}implicit_filter.${place}.bias`]);
    const z = tf.squeeze(tf.slice(of('pos_emb.z'), [0, 0, 0], [1, length, -1]), [0]);
    let hidden: Tensor = sine(linear(z, 0));
    for (let i = 0; i < config.innerLayers; i++) hidden = sine(linear(hidden, 2 + 2 * i));
    let taps = linear(hidden, 2 + 2 * config.innerLayers);
    if (config.modulate) {
      const t = tf.tensor(Float32Array.from({ length }, (_, i) => (config.maximumLength > 1 ? i / (config.maximumLength - 1) : 0)), [length, 1]);
      const deltas = tf.abs(tf.reshape(of('modulation.deltas'), [1, -1]));
      taps = tf.mul(taps, tf.add(tf.exp(tf.neg(tf.mul(t, deltas))), config.shift));
    }
    return config.normalized ? tf.div(taps, tf.sum(tf.abs(taps), -1, true)) : taps;
  });
}
