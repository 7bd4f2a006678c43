import type { Tensor } from '@tensorflow/tfjs';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { checkFloat, checkShape, showShape } from '../common/check-shape.ts';
import { normalisation } from './kernel.ts';

export interface RmsNormOptions {
  readonly epsilon?: number | undefined;
  readonly z?: Tensor | undefined;
  readonly groups?: number | undefined;
  readonly normBeforeGate?: boolean | undefined;
  readonly bias?: Tensor | undefined;
}

/**
 * Root-mean-square normalisation over the last axis: y = x / sqrt(mean(x^2) + epsilon) * weight + bias, optionally gated by silu(z).
 *
 * @param x - Input. Shape [..., D].
 * @param weight - Scale of each channel, or null for none. Shape [D].
 * @param options.epsilon - Added to the mean square, greater than 0. Default: 1e-5.
 * @param options.z - Gate. Shape as x. Default: none.
 * @param options.groups - The last axis is cut into this many equal parts, each with its own mean. Default: 1.
 * @param options.normBeforeGate - true: the normalised value is multiplied by silu(z); false: x * silu(z) is normalised. Default: true.
 * @param options.bias - Added after the scale. Shape [D]. Default: none.
 * @returns Shape as x. The caller disposes it.
 * @throws ShapeError if any shape differs from the ones above, or `groups` does not divide D.
 * @throws ConfigError if a tensor is not float32 or epsilon is not above 0.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @throws GradientError if a gradient of its gradient is asked for.
 * @remarks Time O(D) a row. Gradients reach x, weight, z and bias.
 * @see Zhang and Sennrich 2019, arXiv 1910.07467, equation 4. Official reference of the gated form: state-spaces/mamba, rms_norm_ref (layernorm_gated.py).
 * @example
 * rmsNorm(tf.tensor([[3, 4]]), tf.ones([2]), { epsilon: 1e-12 }).arraySync(); // [[0.8485..., 1.1313...]]
 */
export function rmsNorm(x: Tensor, weight: Tensor | null, options: RmsNormOptions = {}): Tensor {
  const { epsilon = 1e-5, z, groups = 1, normBeforeGate = true, bias } = options;
  checkFloat('rmsNorm', 'x', x);
  const width = x.shape.at(-1) ?? 0;
  if (width < 1) throw new ShapeError(`rmsNorm: x has shape ${showShape(x.shape)}, expected a last axis of at least 1 ([..., D]). Normalise a scalar by hand.`);
  if (weight) checkShape('rmsNorm', 'weight', weight, [width], '[D], the last axis of x', 'Give one scale for each channel of x.');
  if (bias) checkShape('rmsNorm', 'bias', bias, [width], '[D], the last axis of x', 'Give one bias for each channel of x.');
  if (z) checkShape('rmsNorm', 'z', z, x.shape, 'as x', 'Project the gate to the shape of x first.');
  if (!Number.isInteger(groups) || groups < 1 || width % groups !== 0) {
    throw new ShapeError(`rmsNorm: groups is ${groups}, expected a number that divides the last axis of x (${width}). Use 1 to normalise over the whole axis.`);
  }
  if (!(epsilon > 0)) throw new ConfigError(`rmsNorm: epsilon is ${epsilon}, expected a number above 0. Leave it out for 1e-5.`);
  const [output] = normalisation.run({ x, weight: weight ?? undefined, z, bias }, {
    rows: x.size / width, width, groups, epsilon, gateBeforeNorm: z !== undefined && !normBeforeGate,
  });
  return output!;
}
