import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { GatedMlp, Identity, Linear, Lstm, Mamba, RmsNorm, setValues } from '@mamba360/ssm/layers';
import type { ParameterTree, SequenceLayer } from '@mamba360/ssm/layers';
import { Random } from '@mamba360/ssm/random';
import type { ForecastNetwork, NetworkInput, NetworkSizes } from '../forecast-network.ts';
import { patchNetworkConfig, tokenCount } from './config.ts';
import type { PatchNetworkConfig } from './config.ts';

interface Block { readonly norm: RmsNorm; readonly mixer: SequenceLayer; readonly mlpNorm?: RmsNorm; readonly mlp?: GatedMlp }

/**
 * Windows in patches, patches through residual blocks, all tokens to the horizon:
 * x = embed(patches);  x = x + mixer(norm(x)) [+ mlp(norm(x))], N times;  y = head(flatten(norm(x))) [+ skip(window)] [+ known-ahead features].
 *
 * @remarks Channels are independent: each is a row of the batch, so the same weights serve any number of columns. Later patches see earlier ones
 * only, so `identity` as mixer leaves a model whose tokens meet in the head alone.
 * @see Nie et al. 2023, arXiv 2211.14730 (patches, channel independence); Gu and Dao 2023, arXiv 2312.00752 (mixer). The block is ours.
 */
export class PatchNetwork implements ForecastNetwork {
  readonly kind = 'patch';
  readonly config: PatchNetworkConfig;
  readonly sizes: NetworkSizes;
  readonly #embed: Linear;
  readonly #blocks: readonly Block[];
  readonly #norm: RmsNorm;
  readonly #head: Linear;
  readonly #skip: Linear | undefined;
  readonly #statics: Linear | undefined;
  readonly #futureIn: Linear | undefined;
  readonly #futureOut: Linear | undefined;
  #dropoutCalls = 0;

  constructor(config: PatchNetworkConfig, sizes: NetworkSizes, random: Random) {
    this.config = patchNetworkConfig(config, sizes.inputSize);
    this.sizes = sizes;
    const { dModel, layers, patchLength, mlpHidden, linearSkip } = this.config;
    const outputs = sizes.horizon * sizes.outputs;
    const linear = (name: string, inputs: number, width: number): Linear => Linear.create({ inputs, outputs: width }, { random: random.split(name) });
    this.#embed = linear('embed', patchLength * (1 + sizes.pastFeatures), dModel);
    this.#blocks = Array.from({ length: layers }, (_, index) => {
      const stream = random.split(`block-${index}`);
      return {
        norm: RmsNorm.create({ size: dModel }), mixer: createMixer(this.config, stream.split('mixer')),
        ...(mlpHidden > 0 ? { mlpNorm: RmsNorm.create({ size: dModel }), mlp: GatedMlp.create({ dModel, hidden: mlpHidden }, { random: stream.split('mlp') }) } : {}),
      };
    });
    this.#norm = RmsNorm.create({ size: dModel });
    const tokens = tokenCount(this.config, sizes.inputSize);
    this.#head = startAtZero(linear('head', tokens * dModel, outputs));
    this.#skip = linearSkip ? startAtZero(linear('skip', sizes.inputSize, outputs)) : undefined;
    this.#statics = sizes.staticSlots > 0 ? startAtZero(linear('statics', sizes.staticSlots, dModel)) : undefined;
    this.#futureIn = sizes.futureFeatures > 0 ? linear('future-in', sizes.futureFeatures + dModel, dModel) : undefined;
    this.#futureOut = sizes.futureFeatures > 0 ? startAtZero(linear('future-out', dModel, sizes.outputs)) : undefined;
  }

  get parameters(): ParameterTree {
    const blocks = this.#blocks.map(({ norm, mixer, mlpNorm, mlp }) => ({
      norm: norm.parameters, mixer: mixer.parameters, ...(mlp && mlpNorm ? { mlp_norm: mlpNorm.parameters, mlp: mlp.parameters } : {}),
    }));
    return {
      embed: this.#embed.parameters, blocks: Object.fromEntries(blocks.map((block, index) => [String(index), block])), norm: this.#norm.parameters, head: this.#head.parameters,
      ...(this.#skip && { skip: this.#skip.parameters }), ...(this.#statics && { statics: this.#statics.parameters }),
      ...(this.#futureIn && this.#futureOut && { future_in: this.#futureIn.parameters, future_out: this.#futureOut.parameters }),
    };
  }

  forward(input: NetworkInput, options: { readonly training?: boolean } = {}): Tensor {
    const { inputSize, horizon, outputs } = this.sizes;
    const { dModel } = this.config;
    const training = options.training === true;
    return tf.tidy(() => {
      const [batch, , channels] = input.window.shape;
      const rows = batch * channels;
      const flat = tf.reshape(tf.transpose(input.window, [0, 2, 1]), [rows, inputSize]); // [B C, L]
      let x = this.#embed.apply(this.#patches(flat, input.past, channels)); // [B C, tokens, D]
      if (this.#statics && input.statics) x = tf.add(x, tf.expandDims(repeatRows(this.#statics.apply(input.statics), channels), 1));
      for (const { norm, mixer, mlpNorm, mlp } of this.#blocks) {
        x = tf.add(x, this.#drop(mixer.apply(norm.apply(x), { training }).output, training));
        if (mlp && mlpNorm) x = tf.add(x, this.#drop(mlp.apply(mlpNorm.apply(x)), training));
      }
      x = this.#drop(this.#norm.apply(x), training);
      let y = this.#head.apply(tf.reshape(x, [rows, x.size / rows])); // [B C, H outputs]
      if (this.#skip) y = tf.add(y, this.#skip.apply(flat));
      y = tf.reshape(y, [rows, horizon, outputs]);
      if (this.#futureIn && this.#futureOut && input.future) {
        const last = tf.reshape(tf.slice(x, [0, x.shape[1]! - 1, 0], [rows, 1, dModel]), [rows, 1, dModel]);
        const ahead = tf.concat([repeatRows(input.future, channels), tf.tile(last, [1, horizon, 1])], 2);
        const hidden = this.#futureIn.apply(ahead);
        y = tf.add(y, this.#futureOut.apply(tf.mul(hidden, tf.sigmoid(hidden))));
      }
      return tf.transpose(tf.reshape(y, [batch, channels, horizon, outputs]), [0, 2, 1, 3]);
    });
  }

  startFrom(weights: Float64Array): void {
    if (!this.#skip) return;
    const { inputSize, horizon, outputs } = this.sizes;
    const values = new Float32Array(horizon * outputs * inputSize); // [H outputs, L], as Linear keeps it
    for (let step = 0; step < horizon; step++) {
      for (let output = 0; output < outputs; output++) {
        for (let row = 0; row < inputSize; row++) values[(step * outputs + output) * inputSize + row] = weights[row * horizon + step];
      }
    }
    setValues(this.#skip.parameters.weight, values);
  }

  dispose(): void {
    for (const layer of [this.#embed, this.#norm, this.#head, this.#skip, this.#statics, this.#futureIn, this.#futureOut]) layer?.dispose();
    for (const { norm, mixer, mlpNorm, mlp } of this.#blocks) for (const layer of [norm, mixer, mlpNorm, mlp]) layer?.dispose();
  }

  /** Overlapping patches of values and features as tokens. [B C, tokens, patchLength (1 + features)]. */
  #patches(flat: Tensor, past: Tensor | undefined, channels: number): Tensor {
    const rows = flat.shape[0];
    let steps: Tensor = tf.expandDims(flat, 2); // [B C, L, 1]
    if (past) steps = tf.concat([steps, repeatRows(past, channels)], 2);
    const { patchLength, patchStride } = this.config;
    const tokens = tokenCount(this.config, this.sizes.inputSize);
    const width = steps.shape[2]!;
    const missing = (tokens - 1) * patchStride + patchLength - this.sizes.inputSize;
    if (missing > 0) steps = tf.concat([tf.tile(tf.slice(steps, [0, 0, 0], [rows, 1, width]), [1, missing, 1]), steps], 1);
    const pieces = Array.from({ length: tokens }, (_, token) => tf.reshape(tf.slice(steps, [0, token * patchStride, 0], [rows, patchLength, width]), [rows, 1, patchLength * width]));
    return tf.concat(pieces, 1);
  }

  #drop(x: Tensor, training: boolean): Tensor {
    return training && this.config.dropout > 0 ? tf.dropout(x, this.config.dropout, undefined, ++this.#dropoutCalls) : x;
  }
}

/** Each row of a batch once for every channel: [B, ...] to [B C, ...]. */
function repeatRows(x: Tensor, channels: number): Tensor {
  if (channels === 1) return x;
  const [batch, ...rest] = x.shape;
  const tiled = tf.tile(tf.expandDims(x, 1), [1, channels, ...rest.map(() => 1)]);
  return tf.reshape(tiled, [batch * channels, ...rest]);
}

function createMixer(config: PatchNetworkConfig, random: Random): SequenceLayer {
  const { dModel, dState } = config;
  if (config.mixer === 'mamba') return Mamba.create({ dModel, dState }, { random }) as unknown as SequenceLayer;
  if (config.mixer === 'lstm') return Lstm.create({ dModel }, { random }) as unknown as SequenceLayer;
  return new Identity({ dModel }) as unknown as SequenceLayer;
}

/** A branch that starts silent, so that the first forecast is the window's mean (or the ridge of `startFrom`) and training adds to it. */
function startAtZero(layer: Linear): Linear {
  setValues(layer.parameters.weight, new Float32Array(layer.parameters.weight.size));
  return layer;
}
