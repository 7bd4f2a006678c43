import type { Scalar, Tensor, Variable } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import { detachState, keepState } from '../layers/index.ts';
import type { State } from '../layers/index.ts';
import { lossResult } from './trainable.ts';
import type { LossOptions, Trainable } from './trainable.ts';

export interface LossAndGradients {
  readonly loss: number;
  readonly weight: number;
  /** One for each variable, in order; zeros where the loss does not depend on it. The caller disposes them. */
  readonly gradients: Tensor[];
  /** State after the last window, kept and detached; the caller disposes it. */
  readonly state: State | undefined;
}

/** Several consecutive windows whose losses are averaged in one step; see `trainStep`. */
export interface Windows<Batch> { readonly windows: readonly Batch[] }

/**
 * Loss and gradients of one batch, or of several consecutive windows.
 *
 * @param variables - What to differentiate by.
 * @param options.truncate - Stop gradients between windows. Default true.
 */
export async function lossAndGradients<Batch>(
  model: Trainable<Batch>, windows: readonly Batch[], variables: readonly Variable[], options: LossOptions & { truncate?: boolean },
): Promise<LossAndGradients> {
  const { truncate = true, ...given } = options;
  let state: State | undefined;
  let weight = 0;
  const run = (): Scalar => tf.tidy(() => {
    let carried = options.state;
    const losses = windows.map((batch, index) => {
      const result = lossResult(model.loss(batch, { ...given, random: index === 0 ? given.random : given.random.split(`window ${index}`), ...(carried && { state: carried }) }));
      if (result.loss.size !== 1) throw new ConfigError(`fit: model.loss returned shape [${result.loss.shape}], expected a scalar. Take the mean over the batch.`);
      weight += result.weight ?? 1;
      carried = result.state && truncate && index < windows.length - 1 ? detachState(result.state) : result.state;
      return tf.reshape(result.loss, []);
    });
    if (carried) state = keepState(detachState(carried));
    return (losses.length === 1 ? losses[0] : tf.div(tf.addN(losses), losses.length)) as Scalar;
  });
  const { value, grads } = tf.engine().gradients(run, [...variables], undefined, true) as { value: Scalar; grads: (Tensor | undefined)[] };
  const loss = (await value.data())[0];
  value.dispose();
  // tfjs leaves out what the loss does not depend on.
  return { loss, weight, state, gradients: variables.map((variable, index) => grads[index] ?? tf.zerosLike(variable)) };
}
