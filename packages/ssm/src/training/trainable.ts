import type { Tensor } from '@tensorflow/tfjs';
import type { ParameterTree, State } from '../layers/index.ts';
import type { Random } from '../random/index.ts';

export interface LossOptions {
  /** Dropout on. */
  readonly training: boolean;
  /** Source of every random choice in this batch. */
  readonly random: Random;
  /** Carried from the batch before. */
  readonly state?: State;
  /** Report parts by name, to find the first one that is not finite. Pass it on to the layers. */
  readonly observe?: (name: string, tensor: Tensor) => void;
}

export interface LossResult {
  /** Scalar. */
  readonly loss: Tensor;
  /** State after the batch, where the model carries one. */
  readonly state?: State;
  /** How much this batch counts in an average, such as its number of rows. Default 1. */
  readonly weight?: number;
}

/** Anything `fit` can train: named parameters, and a loss on a batch. */
export interface Trainable<Batch> {
  readonly parameters: ParameterTree;
  /** Part of a checkpoint's identity. */
  readonly config?: object;
  loss(batch: Batch, options: LossOptions): Tensor | LossResult;
}

/** The long form of what `loss` returned. */
export function lossResult(returned: Tensor | LossResult): LossResult {
  return 'loss' in returned ? returned : { loss: returned };
}
