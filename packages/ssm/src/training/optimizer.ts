import type { Tensor, Variable } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { adamWUpdate, clipScale, globalNorm } from '../ops/index.ts';
import { groupSettings } from './parameter-groups.ts';
import type { GroupSettings, ParameterGroup } from './parameter-groups.ts';

export interface AdamWOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Decoupled decay of matrices. Default .01. */
  readonly weightDecay?: number;
  readonly groups?: readonly ParameterGroup[];
}

/**
 * AdamW with parameter groups, on the multi-tensor kernel.
 *
 * @remarks Owns two moments for each parameter. No decay on A_log, D, step sizes, norms and biases (`NO_DECAY`).
 */
export class AdamW {
  /** Updates done so far. */
  step = 0;
  readonly parameters: readonly (readonly [string, Variable])[];
  readonly #moments: readonly { readonly first: Variable; readonly second: Variable }[];
  readonly #settings: readonly GroupSettings[];
  readonly #options: AdamWOptions;

  constructor(parameters: readonly (readonly [string, Variable])[], options: AdamWOptions = {}) {
    this.parameters = parameters;
    this.#options = options;
    this.#settings = parameters.map(([name, variable]) => groupSettings(name, variable.rank, options.groups ?? [], options.weightDecay ?? 0.01));
    this.#moments = parameters.map(([, variable]) => tf.tidy(() => ({ first: tf.variable(tf.zerosLike(variable), false), second: tf.variable(tf.zerosLike(variable), false) })));
  }

  /**
   * One update.
   *
   * @param gradients - In the order of `parameters`; not disposed.
   * @param options.clipNorm - Global norm above which all gradients are scaled down together.
   * @returns The global norm before clipping. If it is not finite, nothing was changed.
   */
  update(gradients: readonly Tensor[], options: { learningRate: number; clipNorm?: number | undefined }): number {
    const norm = globalNorm(gradients);
    if (!Number.isFinite(norm)) return norm;
    this.step += 1;
    const { beta1, beta2, epsilon } = this.#options;
    adamWUpdate(this.parameters.map(([, parameter], index) => ({
      parameter, gradient: gradients[index], firstMoment: this.#moments[index].first, secondMoment: this.#moments[index].second,
      learningRate: options.learningRate * this.#settings[index].learningRateScale, weightDecay: this.#settings[index].weightDecay,
    })), { learningRate: options.learningRate, step: this.step, beta1, beta2, epsilon, clipScale: clipScale(norm, options.clipNorm) });
    return norm;
  }

  /** Moments by parameter name, for a checkpoint. */
  moments(): [name: string, moments: { readonly first: Variable; readonly second: Variable }][] {
    return this.parameters.map(([name], index) => [name, this.#moments[index]]);
  }

  dispose(): void {
    for (const { first, second } of this.#moments) {
      if (!first.isDisposed) first.dispose();
      if (!second.isDisposed) second.dispose();
    }
  }
}
