import type { Tensor, Variable } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { ConfigError } from '../../errors/index.ts';
import { checkFloat, checkShape } from '../common/check-shape.ts';
import { defineOperation } from '../common/define-operation.ts';

/** One parameter with its gradient and moments, all of one shape. The learning rate and decay of a parameter group may differ from the rest. */
export interface AdamWSlot {
  readonly parameter: Variable;
  readonly gradient: Tensor;
  readonly firstMoment: Variable;
  readonly secondMoment: Variable;
  readonly learningRate?: number | undefined;
  readonly weightDecay?: number | undefined;
}

export interface AdamWOptions {
  readonly learningRate: number;
  /** Number of this update, counted from 1. */
  readonly step: number;
  readonly beta1?: number | undefined;
  readonly beta2?: number | undefined;
  readonly epsilon?: number | undefined;
  readonly weightDecay?: number | undefined;
  /** Factor on every gradient; see `clipScale`. Default: 1. */
  readonly clipScale?: number | undefined;
}

interface AdamWAttributes { readonly size: number; readonly shape: number[]; readonly scalars: number[] }

const update = defineOperation<AdamWAttributes>({
  name: 'adamW',
  forward: (inputs, a) => ({
    kernel: 'adamW',
    inputs: [inputs['parameter']!, inputs['gradient']!, inputs['firstMoment']!, inputs['secondMoment']!],
    outputs: [a.shape, a.shape, a.shape],
    integers: [a.size],
    scalars: a.scalars,
  }),
});

export const registerAdamW = (): void => update.register();

/** Factor that brings gradients of norm `norm` down to `maximum`: min(1, maximum / norm). 1 for no maximum; NaN for a norm that is not finite. */
export function clipScale(norm: number, maximum: number | undefined): number {
  if (!Number.isFinite(norm)) return Number.NaN;
  return maximum === undefined || norm <= maximum ? 1 : maximum / norm;
}

/**
 * One AdamW update of many parameters: m = b1 m + (1 - b1) g s;  v = b2 v + (1 - b2) (g s)^2;
 * p = p (1 - lr decay) - lr (m / (1 - b1^step)) / (sqrt(v / (1 - b2^step)) + epsilon).
 *
 * @param slots - Parameters, gradients and moments; the three variables of a slot are assigned their new values.
 * @param options.learningRate - Used where a slot has none of its own.
 * @param options.step - Number of this update, from 1, for the bias correction.
 * @param options.beta1 - Decay of the first moment. Default: 0.9.
 * @param options.beta2 - Decay of the second moment. Default: 0.999.
 * @param options.epsilon - Default: 1e-8.
 * @param options.weightDecay - Decoupled decay where a slot has none of its own. Default: 0.
 * @param options.clipScale - Factor s on every gradient, from `clipScale(globalNorm(gradients), maximum)`. Default: 1.
 * @throws ShapeError if a gradient or moment has another shape than its parameter; ConfigError for a number out of range.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @remarks Not differentiable. Gradients are not disposed.
 * @see Loshchilov and Hutter 2019, arXiv 1711.05101, Algorithm 2, with the decay multiplied by the learning rate as torch.optim.AdamW does.
 */
export function adamWUpdate(slots: readonly AdamWSlot[], options: AdamWOptions): void {
  const { step, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, clipScale: scale = 1 } = options;
  if (!Number.isInteger(step) || step < 1) throw new ConfigError(`adamWUpdate: step is ${step}, expected an integer of at least 1. Count updates from 1.`);
  if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1)) throw new ConfigError(`adamWUpdate: beta1 is ${beta1} and beta2 ${beta2}, expected both in [0, 1). Leave them out for 0.9 and 0.999.`);
  if (!(epsilon >= 0)) throw new ConfigError(`adamWUpdate: epsilon is ${epsilon}, expected a number of at least 0. Leave it out for 1e-8.`);
  tf.tidy(() => {
    for (const slot of slots) {
      const { parameter, gradient, firstMoment, secondMoment } = slot;
      const name = parameter.name;
      checkFloat('adamWUpdate', name, parameter);
      const AS = 'as its parameter';
      checkShape('adamWUpdate', `the gradient of ${name}`, gradient, parameter.shape, AS, 'Take gradients of the variables that are updated.');
      checkShape('adamWUpdate', `the first moment of ${name}`, firstMoment, parameter.shape, AS, 'Create moments with tf.zerosLike of the parameter.');
      checkShape('adamWUpdate', `the second moment of ${name}`, secondMoment, parameter.shape, AS, 'Create moments with tf.zerosLike of the parameter.');
      const [p, m, v] = update.run({ parameter, gradient, firstMoment, secondMoment }, {
        size: parameter.size, shape: parameter.shape,
        scalars: [
          slot.learningRate ?? options.learningRate, beta1, beta2, epsilon, slot.weightDecay ?? options.weightDecay ?? 0,
          1 - beta1 ** step, 1 - beta2 ** step, scale,
        ],
      });
      parameter.assign(p!);
      firstMoment.assign(m!);
      secondMoment.assign(v!);
    }
  });
}
