import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { ShapeError } from '../../errors/index.ts';
import { checkRank, checkShape, showShape } from '../common/check-shape.ts';
import { isComplex } from '../common/complex-tensor.ts';
import type { ComplexTensor } from '../common/complex-tensor.ts';
import { selectiveScan } from './selective-scan.ts';

export interface SelectiveScanStepOptions {
  readonly D?: Tensor | undefined;
  /** [B, E] */
  readonly z?: Tensor | undefined;
  readonly deltaBias?: Tensor | undefined;
  readonly deltaSoftplus?: boolean | undefined;
  /** B is [E, N] and the same for every sequence. Default: false, B is [B, N] or [B, G, N]. */
  readonly constantB?: boolean | undefined;
  readonly constantC?: boolean | undefined;
}

export type SelectiveScanStepResult<State extends Tensor | ComplexTensor = Tensor> = { readonly output: Tensor; readonly state: State };

/** Puts an L axis of 1 after the batch axis. */
const asSequence = (tensor: Tensor): Tensor => tf.expandDims(tensor, 1);

function coefficients<T extends Tensor | ComplexTensor>(name: string, value: T, constant: boolean): T {
  if (constant) return value;
  const lift = (tensor: Tensor): Tensor => {
    if (tensor.shape.length !== 2 && tensor.shape.length !== 3) {
      throw new ShapeError(`selectiveScanStep: ${name} has shape ${showShape(tensor.shape)}, expected [B, N] or [B, G, N]. For a constant one of shape [E, N] set constant${name}: true.`);
    }
    return asSequence(tensor);
  };
  return (isComplex(value) ? { re: lift(value.re), im: lift(value.im) } : lift(value)) as T;
}

/**
 * One step of the selective scan, for streaming: h = exp(dt A) h + dt B u;  y = (C . h + D u) * silu(z). The same kernel as the whole sequence with L = 1.
 *
 * @param state - State before this step. Shape [B, E, N], `{ re, im }` with complex A. Not disposed here.
 * @param u - Input of this step. Shape [B, E].
 * @param delta - Step size. Shape [B, E].
 * @param A - Shape [E, N]; `{ re, im }` for the complex form.
 * @param B - Shape [B, N] or [B, G, N]; [E, N] with `constantB`.
 * @param C - Shapes as B; [E, N] with `constantC`.
 * @param options - `D` [E], `z` [B, E], `deltaBias` [E], `deltaSoftplus`: as in `selectiveScan`.
 * @returns `output` [B, E] and the next `state`. The caller disposes both.
 * @throws ShapeError, ConfigError, BackendError as `selectiveScan`.
 * @remarks Time and memory O(B E N). Gradients as in `selectiveScan`.
 * @see Official reference: state-spaces/mamba, selective_state_update_ref.
 * @example
 * const { output, state } = selectiveScanStep(tf.ones([1, 1, 1]), tf.ones([1, 1]), tf.ones([1, 1]), tf.fill([1, 1], -Math.LN2), tf.ones([1, 1]), tf.ones([1, 1]));
 * output.arraySync(); // [[1.5]]
 */
export function selectiveScanStep(state: Tensor, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, options?: SelectiveScanStepOptions): SelectiveScanStepResult;
export function selectiveScanStep(
  state: ComplexTensor, u: Tensor, delta: Tensor, A: ComplexTensor, B: Tensor | ComplexTensor, C: Tensor | ComplexTensor, options?: SelectiveScanStepOptions,
): SelectiveScanStepResult<ComplexTensor>;
export function selectiveScanStep(
  state: Tensor | ComplexTensor, u: Tensor, delta: Tensor, A: Tensor | ComplexTensor, B: Tensor | ComplexTensor, C: Tensor | ComplexTensor,
  options: SelectiveScanStepOptions = {},
): SelectiveScanStepResult<Tensor | ComplexTensor> {
  const { D, z, deltaBias, deltaSoftplus, constantB = false, constantC = false } = options;
  const ONE_STEP = 'Pass one step of each sequence, without the L axis.';
  checkRank('selectiveScanStep', 'u', u, 2, '[B, E]', ONE_STEP);
  checkShape('selectiveScanStep', 'delta', delta, u.shape, '[B, E], as u', ONE_STEP);
  if (z) checkShape('selectiveScanStep', 'z', z, u.shape, '[B, E], as u', ONE_STEP);
  return tf.tidy(() => {
    // The overloads of selectiveScan tie the kinds of A and state together; here they are already tied.
    const scan = selectiveScan as (...args: unknown[]) => { output: Tensor; state: Tensor };
    const result = scan(asSequence(u), asSequence(delta), A, coefficients('B', B, constantB), coefficients('C', C, constantC), {
      D, z: z && asSequence(z), deltaBias, deltaSoftplus, state,
    });
    return { output: tf.squeeze(result.output, [1]), state: result.state };
  });
}
