import type { Variable } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';

/** Exponential moving average of parameters: average = decay x average + (1 - decay) x parameter, after every update. */
export class WeightAverage {
  readonly averages: readonly (readonly [string, Variable])[];
  readonly #parameters: readonly (readonly [string, Variable])[];
  readonly #decay: number;

  constructor(parameters: readonly (readonly [string, Variable])[], decay: number) {
    this.#parameters = parameters;
    this.#decay = decay;
    this.averages = parameters.map(([name, variable]) => [name, tf.tidy(() => tf.variable(tf.clone(variable), false))]);
  }

  update(): void {
    tf.tidy(() => {
      for (const [index, [, average]] of this.averages.entries()) {
        average.assign(tf.add(tf.mul(average, this.#decay), tf.mul(this.#parameters[index][1], 1 - this.#decay)));
      }
    });
  }

  /** Exchanges parameters and averages; a second call undoes it. */
  swap(): void {
    tf.tidy(() => {
      for (const [index, [, average]] of this.averages.entries()) {
        const parameter = this.#parameters[index][1];
        const copy = tf.clone(parameter);
        parameter.assign(tf.clone(average));
        average.assign(copy);
      }
    });
  }

  dispose(): void {
    for (const [, average] of this.averages) if (!average.isDisposed) average.dispose();
  }
}
