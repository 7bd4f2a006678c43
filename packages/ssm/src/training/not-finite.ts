import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { NotFiniteError } from '../errors/index.ts';
import { disposeState, namedParameters } from '../layers/index.ts';
import { lossResult } from './trainable.ts';
import type { LossOptions, Trainable } from './trainable.ts';

/** First value of a tensor that is NaN or infinite, with its flat index. */
function firstBad(tensor: Tensor): { index: number; value: number } | undefined {
  const values = tensor.dataSync();
  for (let index = 0; index < values.length; index++) if (!Number.isFinite(values[index])) return { index, value: values[index] };
  return undefined;
}

/**
 * Says where a loss or gradient stopped being finite: first the parameters, then the parts of the forward pass in order, then the gradients.
 *
 * @param where - Step, epoch and batch in words.
 * @returns The error to throw.
 */
export function notFiniteReport<Batch>(where: string, model: Trainable<Batch>, batch: Batch, options: LossOptions, loss: number, gradients: readonly (readonly [string, Tensor])[]): NotFiniteError {
  const wayOut = 'Lower the learning rate or the clip norm, or look for bad values in this batch. The parameters are those before this step.';
  const describe = (kind: string, name: string, { index, value }: { index: number; value: number }): NotFiniteError =>
    new NotFiniteError(`fit: ${where}: the loss is ${loss}, expected a finite number; the first bad tensor is ${kind} "${name}", value ${value} at flat index ${index}. ${wayOut}`);
  for (const [name, variable] of namedParameters(model.parameters)) {
    const bad = firstBad(variable);
    if (bad) return describe('parameter', name, bad);
  }
  let found: NotFiniteError | undefined;
  tf.tidy(() => {
    const result = lossResult(model.loss(batch, { ...options, observe: (name, tensor) => {
      const bad = found ? undefined : firstBad(tensor);
      if (bad) found = describe('the output of', name, bad);
    } }));
    if (result.state) disposeState(result.state);
  });
  if (found) return found;
  for (const [name, gradient] of gradients) {
    const bad = firstBad(gradient);
    if (bad) return describe('the gradient of', name, bad);
  }
  return new NotFiniteError(`fit: ${where}: the loss is ${loss}, expected a finite number, though every parameter, observed output and gradient is finite. Look at the loss function itself. ${wayOut}`);
}
