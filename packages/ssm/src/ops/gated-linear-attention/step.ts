import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import type { SequenceOptions } from '../common/control.ts';
import { checkRank } from '../common/check-shape.ts';
import { gatedLinearAttention } from './gated-linear-attention.ts';
import type { GatedLinearAttentionOptions, GatedLinearAttentionResult, GatedLinearAttentionState } from './gated-linear-attention.ts';

/** As the options of the whole sequence, without the L axis: decay [H], [H, K] with `constantDecay`, else [B, H] or [B, H, K]. */
export interface GatedLinearAttentionStepOptions extends Omit<GatedLinearAttentionOptions, keyof SequenceOptions | 'state'> {
  /** decay is [H] or [H, K], the same at every step. Default: false. */
  readonly constantDecay?: boolean | undefined;
}

/**
 * One step of `gatedLinearAttention`, for streaming. The same kernel as the whole sequence with L = 1.
 *
 * @param state - State before this step, as an earlier step or sequence returned it. Not disposed here.
 * @param q, k - Shape [B, H, K].
 * @param v - Shape [B, H, V].
 * @param options - As in `gatedLinearAttention`, sequences without their L axis.
 * @returns `output` [B, H, V] and the next `state`. The caller disposes all of them.
 * @throws ShapeError, ConfigError, BackendError as `gatedLinearAttention`.
 * @remarks Time and memory O(B H K V).
 * @example
 * const one = tf.ones([1, 1, 1]);
 * gatedLinearAttentionStep({ matrix: tf.ones([1, 1, 1, 1]) }, one, one, one).output.dataSync(); // [2]
 */
export function gatedLinearAttentionStep(
  state: GatedLinearAttentionState, q: Tensor, k: Tensor, v: Tensor, options: GatedLinearAttentionStepOptions = {},
): GatedLinearAttentionResult {
  const { decay, beta, a, b, inputGate, constantDecay = false, ...rest } = options;
  for (const [name, tensor] of Object.entries({ q, k, v })) checkRank('gatedLinearAttentionStep', name, tensor, 3, '[B, H, K or V]', 'Pass one step of each sequence, without the L axis.');
  return tf.tidy(() => {
    const lift = (tensor: Tensor | undefined): Tensor | undefined => tensor && tf.expandDims(tensor, 1);
    const result = gatedLinearAttention(lift(q)!, lift(k)!, lift(v)!, {
      ...rest, decay: constantDecay ? decay : lift(decay), beta: lift(beta), a: lift(a), b: lift(b), inputGate: lift(inputGate), state,
    });
    return { output: tf.squeeze(result.output, [1]), state: result.state };
  });
}
