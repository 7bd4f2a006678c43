import * as tf from '@tensorflow/tfjs';
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs';
import { Linear } from '@mamba360/ssm/layers';
import type { ParameterTree } from '@mamba360/ssm/layers';
import { Backbone } from '@mamba360/ssm/models';
import { Random } from '@mamba360/ssm/random';
import { CANDIDATES, STATIC_FEATURES } from './window.ts';
import type { ZeroShotShape, ZeroShotWindow } from './window.ts';

export interface ZeroShotConfig extends ZeroShotShape {
  readonly dModel: number;
  readonly nLayer: number;
  /** Any registered mixer; `identity` is the control without a scan. */
  readonly mixer: string;
  readonly ssmCfg: { readonly [key: string]: unknown };
  /** Hidden width of each block's gated MLP. */
  readonly dIntermediate: number;
  /** Hidden width of the head. */
  readonly headWidth: number;
  readonly dropout: number;
  /** Levels of the forecast, rising, the median in the middle. */
  readonly quantiles: readonly number[];
}

/** Configuration of the shipped checkpoint. */
export const SHIPPED_CONFIG: ZeroShotConfig = {
  contextLength: 512, patchLength: 16, horizon: 64, dModel: 96, nLayer: 2, mixer: 'mamba', ssmCfg: { dState: 8, dConv: 4, expand: 1 },
  dIntermediate: 96, headWidth: 192, dropout: 0.1, quantiles: [0.025, 0.1, 0.5, 0.9, 0.975],
};

/** Windows of a batch as tensors; the caller disposes them. */
export interface ZeroShotBatch {
  readonly tokens: Tensor3D;
  readonly mask: Tensor2D;
  readonly candidates: Tensor3D;
  readonly statics: Tensor2D;
  readonly noise: Tensor3D;
}

/** Stacks windows: tokens [B, T, 2 P], mask [B, T], candidates [B, H, K], statics [B, S], noise [B, 1, 1]. */
export function zeroShotBatch(windows: readonly ZeroShotWindow[], shape: ZeroShotShape): ZeroShotBatch {
  const B = windows.length;
  const T = shape.contextLength / shape.patchLength;
  const stack = (pick: (window: ZeroShotWindow) => ArrayLike<number>, size: number): Float32Array => {
    const all = new Float32Array(B * size);
    windows.forEach((window, row) => { all.set(pick(window), row * size); });
    return all;
  };
  return {
    tokens: tf.tensor3d(stack((window) => window.tokens, T * 2 * shape.patchLength), [B, T, 2 * shape.patchLength]),
    mask: tf.tensor2d(stack((window) => window.tokenMask, T), [B, T]),
    candidates: tf.tensor3d(stack((window) => window.candidates, shape.horizon * CANDIDATES.length), [B, shape.horizon, CANDIDATES.length]),
    statics: tf.tensor2d(stack((window) => window.statics, STATIC_FEATURES), [B, STATIC_FEATURES]),
    noise: tf.tensor3d(stack((window) => [window.noise], 1), [B, 1, 1]),
  };
}

/**
 * Forecast network for series it has never seen: a backbone reads the window in patches, its last state weighs simple forecasts
 * (last value, seasons, levels) and adds what they miss.
 *
 *   w = softmax(head_w(s)) over candidates;  median = w . candidates + noise * head_m(s);  other quantiles = median -+ sums of softplus(head_q(s)) * noise
 *
 * @remarks The quantiles never cross, by construction. Everything is in the window's normalised units. `mixer: 'identity'` is the control.
 */
export class ZeroShotNetwork {
  readonly config: ZeroShotConfig;
  readonly #backbone: Backbone;
  readonly #hidden: Linear;
  readonly #output: Linear;

  private constructor(config: ZeroShotConfig, random: Random) {
    this.config = config;
    const { dModel, nLayer, mixer, ssmCfg, dIntermediate, dropout, patchLength, headWidth, horizon, quantiles } = config;
    this.#backbone = Backbone.create(
      { dModel, nLayer, mixer, ssmCfg, dIntermediate, dropout, inputSize: 2 * patchLength, outputSize: null }, { random: random.split('backbone') },
    );
    this.#hidden = Linear.create({ inputs: dModel + STATIC_FEATURES, outputs: headWidth }, { random: random.split('hidden') });
    this.#output = Linear.create({ inputs: headWidth, outputs: horizon * (CANDIDATES.length + quantiles.length) }, { random: random.split('output') });
  }

  static create(config: Partial<ZeroShotConfig> = {}, options: { seed?: number | string } = {}): ZeroShotNetwork {
    return new ZeroShotNetwork({ ...SHIPPED_CONFIG, ...config }, Random.fromSeed(options.seed ?? 0));
  }

  get parameters(): ParameterTree {
    return { backbone: this.#backbone.parameters, hidden: this.#hidden.parameters, output: this.#output.parameters };
  }

  /** @returns Quantiles in normalised units, [B, horizon, quantiles]; the caller disposes them. */
  forward(batch: ZeroShotBatch, options: { training?: boolean; random?: Random } = {}): Tensor3D {
    const { horizon, quantiles } = this.config;
    const K = CANDIDATES.length;
    const middle = (quantiles.length - 1) / 2;
    return tf.tidy(() => {
      const [B, T] = batch.tokens.shape;
      const { output } = this.#backbone.apply(batch.tokens, { mask: batch.mask, ...options });
      // Padding stands on the left, so the last token is always a real one.
      const last = tf.reshape(tf.slice(output, [0, T - 1, 0], [B, 1, -1]), [B, -1]);
      const hidden = tf.relu(this.#hidden.apply(tf.concat([last, batch.statics], 1)));
      const raw = tf.reshape(this.#output.apply(hidden), [B, horizon, K + quantiles.length]);
      const weights = tf.softmax(tf.slice(raw, [0, 0, 0], [B, horizon, K]));
      const offset = tf.mul(tf.slice(raw, [0, 0, K], [B, horizon, 1]), batch.noise);
      const median = tf.add(tf.sum(tf.mul(weights, batch.candidates), 2, true), offset);
      const gaps = tf.split(tf.mul(tf.softplus(tf.slice(raw, [0, 0, K + 1], [B, horizon, quantiles.length - 1])), batch.noise), quantiles.length - 1, 2);
      const parts: Tensor[] = [median];
      for (let k = middle - 1; k >= 0; k--) parts.unshift(tf.sub(parts[0], gaps[k]));
      for (let k = middle; k < quantiles.length - 1; k++) parts.push(tf.add(parts[parts.length - 1], gaps[k]));
      return tf.concat(parts, 2) as Tensor3D;
    });
  }

  /** Mean pinball loss over the observed steps of `future` [B, horizon] (normalised; `observed` is 1 where it is known). */
  loss(batch: ZeroShotBatch & { readonly future: Tensor2D; readonly observed: Tensor2D }, options: { training?: boolean; random?: Random } = {}): Tensor {
    return tf.tidy(() => {
      const levels = tf.tensor1d(this.config.quantiles as number[]) as Tensor1D;
      const error = tf.sub(tf.expandDims(batch.future, 2), this.forward(batch, options));
      const pinball = tf.mean(tf.maximum(tf.mul(error, levels), tf.mul(error, tf.sub(levels, 1))), 2);
      return tf.div(tf.sum(tf.mul(pinball, batch.observed)), tf.maximum(tf.sum(batch.observed), 1));
    });
  }

  dispose(): void {
    this.#backbone.dispose();
    this.#hidden.dispose();
    this.#output.dispose();
  }
}
