import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import { bidirectionalFftConvolution, fftConvolution } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { fanInUniform, normal } from '../random/index.ts';
import { gatedHalves, gelu } from './activations.ts';
import { affine } from './affine.ts';
import { countSteps } from './growing-state.ts';
import type { ParameterSpecs, Parameters } from './parameters.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { StreamingLayer } from './streaming-layer.ts';

/** What layers around one long learned kernel have in common. */
export interface GlobalConvolutionConfig {
  readonly dModel: number;
  /** Taps of the kernel, and the longest sequence. Default 1024. */
  readonly maximumLength: number;
  /** Kernels a channel; their outputs are mixed at the end. Default 1. */
  readonly channels: number;
  /** A second kernel looks ahead; then there is no state and no step. Default false. */
  readonly bidirectional: boolean;
  /** Behind the convolution. Default 'gelu'. */
  readonly activation: 'gelu' | 'none';
  /** Behind that: a linear map, one with a gated linear unit, or nothing. Default 'glu'. */
  readonly mixing: 'glu' | 'linear' | 'none';
}

export const GLOBAL_CONVOLUTION_DEFAULTS = { maximumLength: 1024, channels: 1, bidirectional: false, activation: 'gelu', mixing: 'glu' } as const;
export const GLOBAL_CONVOLUTION_KEYS = ['maximumLength', 'channels', 'bidirectional', 'activation', 'mixing'] as const;

/** `history` [B, maximumLength - 1, D]: the past inputs, oldest first; `steps` [B]: how many they are. A bidirectional layer has no state. */
export type GlobalConvolutionState = { readonly history: Tensor; readonly steps: Tensor } | { readonly [name: string]: never };

export function checkGlobalConvolution(name: string, config: GlobalConvolutionConfig): void {
  if (config.activation !== 'gelu' && config.activation !== 'none') throw new ConfigError(`${name}: activation is ${JSON.stringify(config.activation)}, expected 'gelu' or 'none'.`);
  if (!['glu', 'linear', 'none'].includes(config.mixing)) throw new ConfigError(`${name}: mixing is ${JSON.stringify(config.mixing)}, expected 'glu', 'linear' or 'none'.`);
  if (config.mixing === 'none' && config.channels !== 1) throw new ConfigError(`${name}: channels is ${config.channels} with mixing 'none', which would widen the output. Use mixing 'glu' or 'linear'.`);
}

/** D [channels, H] and the mixing map, by their official names. */
export function globalConvolutionParameters({ dModel, channels, mixing }: GlobalConvolutionConfig): ParameterSpecs {
  const outputs = mixing === 'glu' ? 2 * dModel : dModel;
  return {
    D: { shape: [channels, dModel], initialise: normal(1) },
    ...(mixing === 'none' ? {} : {
      'output_linear.0.weight': { shape: [outputs, channels * dModel], initialise: fanInUniform() },
      'output_linear.0.bias': { shape: [outputs], initialise: fanInUniform(channels * dModel) },
    }),
  };
}

/** y = mixing(activation(kernel * x + D x)) with a kernel as long as the declared maximum length. */
export abstract class GlobalConvolution<C extends GlobalConvolutionConfig> extends StreamingLayer<GlobalConvolutionState, C> {
  protected constructor(config: C, parameters: Parameters) {
    super(config, parameters, config.bidirectional
      ? { state: 'none', causal: false, runtime: false }
      : { state: 'growing', causal: true, maximumLength: config.maximumLength, runtime: false });
  }

  /** Taps [channels, D, maximumLength], or [2 channels, D, ...] with those that look ahead second. The caller disposes them. */
  abstract kernel(): Tensor;

  stateSpec(batch: number): StateSpec {
    return this.config.bidirectional ? {} : { history: [batch, this.config.maximumLength - 1, this.dModel], steps: { shape: [batch], dtype: 'int32' } };
  }

  protected forward(x: Tensor, state: GlobalConvolutionState | undefined, sequence: SequenceOptions): SequenceResult<GlobalConvolutionState> {
    const { channels, bidirectional } = this.config;
    const [batch, length, width] = x.shape as [number, number, number];
    const options = { ...sequence, D: this.parameters['D'] };
    const mix = (convolved: Tensor): Tensor => this.#mix(tf.reshape(convolved, [batch, length, channels * width]));
    const kernel = this.kernel();
    if (bidirectional) {
      const [ahead, behind] = [tf.slice(kernel, [channels, 0, 0]), tf.slice(kernel, [0, 0, 0], [channels, -1, -1])];
      return { output: mix(bidirectionalFftConvolution(x, behind, ahead, options)), state: {} };
    }
    const before = state as { history: Tensor; steps: Tensor } | undefined;
    const steps = countSteps(this.kind, [batch, length], sequence, before?.steps, this.config.maximumLength);
    const { output, state: history } = fftConvolution(x, kernel, { ...options, state: before?.history });
    return { output: mix(output), state: { history, steps } };
  }

  #mix(convolved: Tensor): Tensor {
    const active = this.config.activation === 'gelu' ? gelu(convolved) : convolved;
    if (this.config.mixing === 'none') return active;
    const mixed = affine(active, this.parameters['output_linear.0.weight']!, this.parameters['output_linear.0.bias']);
    return this.config.mixing === 'glu' ? gatedHalves(mixed) : mixed;
  }
}
