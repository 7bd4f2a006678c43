import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import { fftConvolution } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { fanInUniform } from '../random/index.ts';
import { silu } from './activations.ts';
import { affine } from './affine.ts';
import { countSteps } from './growing-state.ts';
import { createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { completeConfig, StreamingLayer } from './streaming-layer.ts';

export interface TnnConfig {
  readonly dModel: number;
  /** Lags the Toeplitz matrix has, and the longest sequence. Default 1024. */
  readonly maximumLength: number;
  /** Inner width is expand x dModel. Default 3. */
  readonly expand: number;
  /** Width and hidden layers of the network that gives the coefficient of a lag. Default 32 and 3. */
  readonly rpeWidth: number;
  readonly rpeLayers: number;
  /** Decay of a lag's coefficient, in (0, 1]. Default .99. */
  readonly gamma: number;
}

const DEFAULTS = { maximumLength: 1024, expand: 3, rpeWidth: 32, rpeLayers: 3, gamma: 0.99 } as const;

/** `history` [B, maximumLength - 1, expand dModel]: past values, oldest first; `steps` [B]: how many. */
export type TnnState = { readonly history: Tensor; readonly steps: Tensor };

export function tnnConfig(given: { dModel: number } & Partial<TnnConfig>): TnnConfig {
  const config = completeConfig<TnnConfig>('TNN', given, DEFAULTS, ['maximumLength', 'expand', 'rpeWidth', 'rpeLayers']);
  if (!(config.gamma > 0 && config.gamma <= 1)) throw new ConfigError(`TNN: gamma is ${config.gamma}, expected above 0 and at most 1.`);
  return config;
}

export function tnnParameters({ dModel, expand, rpeWidth, rpeLayers }: TnnConfig): ParameterSpecs {
  const inner = expand * dModel;
  const linear = (name: string, outputs: number, inputs: number): ParameterSpecs => ({
    [`${name}.weight`]: { shape: [outputs, inputs], initialise: fanInUniform() }, [`${name}.bias`]: { shape: [outputs], initialise: fanInUniform(inputs) },
  });
  return {
    ...linear('u_proj', inner, dModel), ...linear('v_proj', inner, dModel),
    ...linear('toep.rpe.pos_proj', rpeWidth, 1),
    ...Object.assign({}, ...Array.from({ length: rpeLayers }, (_, i) => linear(`toep.rpe.layers.${i}.2`, rpeWidth, rpeWidth))) as ParameterSpecs,
    ...linear('toep.rpe.out.2', inner, rpeWidth),
    ...linear('o', dModel, inner),
  };
}

/** x / rms(x), without a weight. */
const simpleNorm = (x: Tensor): Tensor => tf.div(x, tf.sqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-8)));

/**
 * Toeplitz neural network, causal: y = W_o(silu(W_u x) * T silu(W_v x)), T[i, j] = gamma^(i - j) RPE(i - j) for i >= j, RPE a small network of the lag.
 *
 * @remarks One head; names as in the official code where it has them. There is no golden case for this family: the layer is held to the state law only.
 * @see Qin et al. 2023, arXiv 2305.04749. Official: Doraemonzzz/tnn-pytorch, Gtu, Tno and Rpe.
 */
export class Tnn extends StreamingLayer<TnnState, TnnConfig> {
  static readonly kind = 'tnn';
  readonly kind = Tnn.kind;

  constructor(config: { dModel: number } & Partial<TnnConfig>, parameters: Parameters) {
    const complete = tnnConfig(config);
    super(complete, parameters, { state: 'growing', causal: true, maximumLength: complete.maximumLength, runtime: false });
  }

  static create(config: { dModel: number } & Partial<TnnConfig>, options: SeedOptions = {}): Tnn {
    const complete = tnnConfig(config);
    return new Tnn(complete, createParameters(tnnParameters(complete), seededRandom(options)));
  }

  stateSpec(batch: number): StateSpec {
    const { dModel, expand, maximumLength } = this.config;
    return { history: [batch, maximumLength - 1, expand * dModel], steps: { shape: [batch], dtype: 'int32' } };
  }

  /** Coefficients of lags 0, 1, ... [expand dModel, maximumLength]. The caller disposes them. */
  kernel(): Tensor {
    const { maximumLength, rpeLayers, gamma } = this.config;
    const linear = (x: Tensor, name: string): Tensor => affine(x, this.parameters[`${name}.weight`]!, this.parameters[`${name}.bias`]);
    return tf.tidy(() => {
      const lags = tf.tensor(Float32Array.from({ length: maximumLength }, (_, lag) => lag), [maximumLength, 1]);
      let hidden = linear(lags, 'toep.rpe.pos_proj');
      for (let i = 0; i < rpeLayers; i++) hidden = linear(tf.relu(simpleNorm(hidden)), `toep.rpe.layers.${i}.2`);
      const coefficients = linear(tf.relu(simpleNorm(hidden)), 'toep.rpe.out.2');
      const decay = tf.tensor(Float32Array.from({ length: maximumLength }, (_, lag) => gamma ** lag), [maximumLength, 1]);
      return tf.transpose(tf.mul(coefficients, decay));
    });
  }

  protected forward(x: Tensor, state: TnnState | undefined, sequence: SequenceOptions): SequenceResult<TnnState> {
    const linear = (value: Tensor, name: string): Tensor => affine(value, this.parameters[`${name}.weight`]!, this.parameters[`${name}.bias`]);
    const steps = countSteps(this.kind, [x.shape[0]!, x.shape[1]!], sequence, state?.steps, this.config.maximumLength);
    const { output, state: history } = fftConvolution(silu(linear(x, 'v_proj')), this.kernel(), {
      ...sequence, postGate: silu(linear(x, 'u_proj')), ...(state && { state: state.history }),
    });
    return { output: linear(output, 'o'), state: { history, steps } };
  }
}
