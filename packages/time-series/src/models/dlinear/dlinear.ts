import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { Linear } from '@mamba360/ssm/layers';
import type { ParameterTree } from '@mamba360/ssm/layers';
import type { Random } from '@mamba360/ssm/random';
import { setValues } from '@mamba360/ssm/layers';
import type { ForecastNetwork, NetworkInput, NetworkSizes } from '../forecast-network.ts';

export interface DLinearConfig {
  /** Rows of the moving average that is called the trend, odd. */
  readonly movingAverage: number;
}

/**
 * Decomposition and two linear maps: y = W1 trend(window) + W2 (window - trend(window)), shared by all channels.
 *
 * @see Zeng et al. 2023, arXiv 2205.13504, section 4.2. The moving average repeats the window's ends, as there; both maps start at 1 / L, as there.
 */
export class DLinear implements ForecastNetwork {
  readonly kind = 'dlinear';
  readonly config: DLinearConfig;
  readonly sizes: NetworkSizes;
  readonly #trend: Linear;
  readonly #rest: Linear;
  readonly #averaging: Tensor;

  constructor(config: DLinearConfig, sizes: NetworkSizes, random: Random) {
    this.config = config;
    this.sizes = sizes;
    const outputs = sizes.horizon * sizes.outputs;
    const map = (name: string): Linear => {
      const layer = Linear.create({ inputs: sizes.inputSize, outputs }, { random: random.split(name) });
      setValues(layer.parameters.weight, new Float32Array(layer.parameters.weight.size).fill(1 / sizes.inputSize));
      return layer;
    };
    this.#trend = map('trend');
    this.#rest = map('rest');
    this.#averaging = tf.tensor2d(averagingMatrix(sizes.inputSize, config.movingAverage), [sizes.inputSize, sizes.inputSize]);
  }

  get parameters(): ParameterTree {
    return { trend: this.#trend.parameters, rest: this.#rest.parameters };
  }

  forward({ window }: NetworkInput): Tensor {
    const { inputSize, horizon, outputs } = this.sizes;
    return tf.tidy(() => {
      const [batch, , channels] = window.shape;
      const flat = tf.reshape(tf.transpose(window, [0, 2, 1]), [batch * channels, inputSize]);
      const trend = tf.matMul(flat as tf.Tensor2D, this.#averaging as tf.Tensor2D);
      const y = tf.add(this.#trend.apply(trend), this.#rest.apply(tf.sub(flat, trend)));
      return tf.transpose(tf.reshape(y, [batch, channels, horizon, outputs]), [0, 2, 1, 3]);
    });
  }

  dispose(): void {
    this.#trend.dispose();
    this.#rest.dispose();
    if (!this.#averaging.isDisposed) this.#averaging.dispose();
  }
}

/** Column t averages the rows around t; rows beyond an end count as that end. */
function averagingMatrix(length: number, width: number): Float32Array {
  const matrix = new Float32Array(length * length);
  const half = Math.floor(width / 2);
  for (let at = 0; at < length; at++) {
    for (let offset = -half; offset <= half; offset++) {
      const row = Math.min(length - 1, Math.max(0, at + offset));
      matrix[row * length + at] += 1 / (2 * half + 1);
    }
  }
  return matrix;
}
