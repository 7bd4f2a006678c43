import { NotFiniteError } from '../errors/index.ts';
import type { State } from '../layers/index.ts';
import { disposeState } from '../layers/index.ts';
import { Random } from '../random/index.ts';
import { tf } from '../backend/tensorflow.ts';
import { lossAndGradients } from './gradients.ts';
import type { Windows } from './gradients.ts';
import type { AdamW } from './optimizer.ts';
import type { Trainable } from './trainable.ts';

export interface TrainStepOptions {
  readonly optimizer: AdamW;
  readonly learningRate: number;
  /** Default 1. `Infinity` turns clipping off. */
  readonly clipNorm?: number;
  readonly random?: Random;
  /** Stop gradients between windows. Default true; false lets them cross, at the memory of all windows together. */
  readonly truncate?: boolean;
}

/**
 * One optimizer step of truncated backpropagation through time.
 *
 * @param batch - One batch, or `{ windows: [...] }`: consecutive windows that share the step.
 * @param state - What the step before returned; null to begin. Not disposed.
 * @returns The loss, and the state after the batch: kept and detached, the caller disposes it. Null where the model carries none.
 * @throws NotFiniteError if loss or gradients are not finite; parameters are unchanged.
 */
export async function trainStep<Batch>(model: Trainable<Batch>, batch: Batch | Windows<Batch>, state: State | null, options: TrainStepOptions): Promise<{ loss: number; state: State | null; gradientNorm: number }> {
  const { optimizer, learningRate, clipNorm = 1, random = Random.fromSeed(optimizer.step), truncate = true } = options;
  const windows = typeof batch === 'object' && batch !== null && 'windows' in batch ? (batch as Windows<Batch>).windows : [batch as Batch];
  const variables = optimizer.parameters.map(([, variable]) => variable);
  const result = await lossAndGradients(model, windows, variables, { training: true, random, truncate, ...(state && { state }) });
  const gradientNorm = Number.isFinite(result.loss) ? optimizer.update(result.gradients, { learningRate, clipNorm }) : Number.NaN;
  tf.dispose(result.gradients);
  if (!Number.isFinite(gradientNorm)) {
    if (result.state) disposeState(result.state);
    throw new NotFiniteError(`trainStep: step ${optimizer.step + 1}: the loss is ${result.loss} and the gradient norm ${gradientNorm}, expected finite numbers. Lower the learning rate, or look for bad values in the batch.`);
  }
  return { loss: result.loss, state: result.state ?? null, gradientNorm };
}
