import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { Linear, setValues } from '@mamba360/ssm/layers';
import type { ParameterTree } from '@mamba360/ssm/layers';
import { Backbone } from '@mamba360/ssm/models';
import type { Random } from '@mamba360/ssm/random';
import type { ForecastNetwork, ForwardOptions, NetworkInput, NetworkSizes } from '../forecast-network.ts';
import { patchNetworkConfig, tokenCount } from './config.ts';
import type { PatchNetworkConfig } from './config.ts';

/**
 * Windows in patches, patches through the backbone, all tokens to the horizon:
 * x = backbone(patches);  y = head(flatten(x)) [+ skip(window)] [+ out(silu(in(features known ahead, last token)))].
 *
 * @remarks Channels are independent: each is a row of the batch, so the same weights serve any number of columns. Later patches see earlier ones
 * only, so `identity` as mixer leaves a model whose tokens meet in the head alone.
 * @see Nie et al. 2023, arXiv 2211.14730 (patches, channel independence); Gu and Dao 2023, arXiv 2312.00752 (mixer). How they are joined is ours.
 */
export class PatchNetwork implements ForecastNetwork {
  readonly kind = 'patch';
  readonly config: PatchNetworkConfig;
  readonly sizes: NetworkSizes;
  readonly #backbone: Backbone;
  readonly #head: Linear;
  readonly #skip: Linear | undefined;
  readonly #futureIn: Linear | undefined;
  readonly #futureOut: Linear | undefined;

  constructor(config: PatchNetworkConfig, sizes: NetworkSizes, random: Random) {
    this.config = patchNetworkConfig(config, sizes.inputSize);
    this.sizes = sizes;
    const { dModel, layers, patchLength, mixer, dState, mlpHidden, linearSkip, dropout } = this.config;
    const outputs = sizes.horizon * sizes.outputs;
    const linear = (name: string, inputs: number, width: number): Linear => Linear.create({ inputs, outputs: width }, { random: random.split(name) });
    this.#backbone = Backbone.create({
      dModel, nLayer: layers, mixer, ssmCfg: mixer === 'mamba' ? { dState } : {}, dIntermediate: mlpHidden, dropout, outputSize: null,
      inputSize: patchLength * (1 + sizes.pastFeatures) + sizes.staticSlots,
    }, { random: random.split('backbone') });
    const tokens = tokenCount(this.config, sizes.inputSize);
    this.#head = startAtZero(linear('head', tokens * dModel, outputs));
    this.#skip = linearSkip ? startAtZero(linear('skip', sizes.inputSize, outputs)) : undefined;
    this.#futureIn = sizes.futureFeatures > 0 ? linear('future-in', sizes.futureFeatures + dModel, dModel) : undefined;
    this.#futureOut = sizes.futureFeatures > 0 ? startAtZero(linear('future-out', dModel, sizes.outputs)) : undefined;
  }

  get parameters(): ParameterTree {
    return {
      backbone: this.#backbone.parameters, head: this.#head.parameters, ...(this.#skip && { skip: this.#skip.parameters }),
      ...(this.#futureIn && this.#futureOut && { future_in: this.#futureIn.parameters, future_out: this.#futureOut.parameters }),
    };
  }

  forward(input: NetworkInput, options: ForwardOptions = {}): Tensor {
    const { inputSize, horizon, outputs } = this.sizes;
    const { dModel } = this.config;
    return tf.tidy(() => {
      const [batch, , channels] = input.window.shape;
      const rows = batch * channels;
      const flat = tf.reshape(tf.transpose(input.window, [0, 2, 1]), [rows, inputSize]); // [B C, L]
      const x = this.#backbone.apply(this.#tokens(flat, input, channels), options).output; // [B C, tokens, D]
      let y = this.#head.apply(tf.reshape(x, [rows, x.size / rows])); // [B C, H outputs]
      if (this.#skip) y = tf.add(y, this.#skip.apply(flat));
      y = tf.reshape(y, [rows, horizon, outputs]);
      if (this.#futureIn && this.#futureOut && input.future) {
        const last = tf.slice(x, [0, x.shape[1]! - 1, 0], [rows, 1, dModel]);
        const hidden = this.#futureIn.apply(tf.concat([repeatRows(input.future, channels), tf.tile(last, [1, horizon, 1])], 2));
        y = tf.add(y, this.#futureOut.apply(tf.mul(hidden, tf.sigmoid(hidden))));
      }
      return tf.transpose(tf.reshape(y, [batch, channels, horizon, outputs]), [0, 2, 1, 3]);
    });
  }

  startFrom(weights: Float64Array, offsets: Float64Array): void {
    if (!this.#skip) return;
    const { inputSize, horizon, outputs } = this.sizes;
    const values = new Float32Array(horizon * outputs * inputSize); // [H outputs, L], as Linear keeps it
    for (let step = 0; step < horizon; step++) {
      for (let output = 0; output < outputs; output++) {
        for (let row = 0; row < inputSize; row++) values[(step * outputs + output) * inputSize + row] = weights[row * horizon + step];
      }
    }
    setValues(this.#skip.parameters.weight, values);
    setValues(this.#skip.parameters.bias, Float32Array.from(offsets));
  }

  dispose(): void {
    for (const layer of [this.#backbone, this.#head, this.#skip, this.#futureIn, this.#futureOut]) layer?.dispose();
  }

  /** Overlapping patches of values and features, and the labels, as tokens. [B C, tokens, patchLength (1 + features) + slots]. */
  #tokens(flat: Tensor, { past, statics }: NetworkInput, channels: number): Tensor {
    const rows = flat.shape[0];
    let steps: Tensor = tf.expandDims(flat, 2); // [B C, L, 1]
    if (past) steps = tf.concat([steps, repeatRows(past, channels)], 2);
    const { patchLength, patchStride } = this.config;
    const tokens = tokenCount(this.config, this.sizes.inputSize);
    const width = steps.shape[2]!;
    const missing = (tokens - 1) * patchStride + patchLength - this.sizes.inputSize;
    if (missing > 0) steps = tf.concat([tf.tile(tf.slice(steps, [0, 0, 0], [rows, 1, width]), [1, missing, 1]), steps], 1);
    const pieces = Array.from({ length: tokens }, (_, token) => tf.reshape(tf.slice(steps, [0, token * patchStride, 0], [rows, patchLength, width]), [rows, 1, patchLength * width]));
    const patches = tf.concat(pieces, 1);
    return statics ? tf.concat([patches, tf.tile(tf.expandDims(repeatRows(statics, channels), 1), [1, tokens, 1])], 2) : patches;
  }
}

/** Each row of a batch once for every channel: [B, ...] to [B C, ...]. */
function repeatRows(x: Tensor, channels: number): Tensor {
  if (channels === 1) return x;
  const [batch, ...rest] = x.shape;
  const tiled = tf.tile(tf.expandDims(x, 1), [1, channels, ...rest.map(() => 1)]);
  return tf.reshape(tiled, [batch * channels, ...rest]);
}

/** A branch that starts silent, so that the first forecast is the window's mean (or the ridge of `startFrom`) and training adds to it. */
function startAtZero(layer: Linear): Linear {
  setValues(layer.parameters.weight, new Float32Array(layer.parameters.weight.size));
  return layer;
}
