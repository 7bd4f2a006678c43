import type { Tensor } from '@tensorflow/tfjs';
import type { ParameterTree } from '@mamba360/ssm/layers';
import type { Random } from '@mamba360/ssm/random';

/** What a network sees of a batch; every value finite and already normalised. B windows, L input size, C target columns, H horizon. */
export interface NetworkInput {
  /** [B, L, C]. */
  readonly window: Tensor;
  /** Covariates and calendar of the rows seen. [B, L, features]. */
  readonly past?: Tensor | undefined;
  /** Covariates and calendar known ahead. [B, H, features]. */
  readonly future?: Tensor | undefined;
  /** One-hot slots of the labels of the series. [B, slots]. */
  readonly statics?: Tensor | undefined;
}

/** Sizes every network is built from. */
export interface NetworkSizes {
  readonly inputSize: number;
  readonly horizon: number;
  readonly pastFeatures: number;
  readonly futureFeatures: number;
  readonly staticSlots: number;
  /** Outputs for each value: the number of quantiles, or 1. */
  readonly outputs: number;
}

export interface ForwardOptions {
  /** Dropout on. */
  readonly training?: boolean;
  /** Source of dropout. */
  readonly random?: Random;
}

/** A forecasting network: a function of normalised windows with named parameters. */
export interface ForecastNetwork {
  /** Name in the registry. */
  readonly kind: string;
  /** Complete, plain JSON; `createNetwork` builds the same network from it. */
  readonly config: object;
  readonly parameters: ParameterTree;
  /** @returns [B, H, C, outputs] in normalised units. The caller disposes it. */
  forward(input: NetworkInput, options?: ForwardOptions): Tensor;
  /**
   * Where the network has a linear path from window to horizon: start it at these weights.
   *
   * @param weights - [inputSize, horizon], as fitted by `baselines.fitRidge` on mean-removed windows.
   * @param offsets - added to each output, in normalised units: where its quantile lies around the linear forecast. [horizon, outputs].
   */
  startFrom?(weights: Float64Array, offsets: Float64Array): void;
  dispose(): void;
}
