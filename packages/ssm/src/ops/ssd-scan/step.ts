import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { checkRank, checkShape } from '../common/check-shape.ts';
import { ssdScan } from './ssd-scan.ts';
import type { SsdScanResult, SsdScanStepOptions } from './ssd-scan.ts';

const ONE_STEP = 'Pass one step of each sequence, without the L axis.';
/** Puts an L axis of 1 after the batch axis. */
const asSequence = (tensor: Tensor): Tensor => tf.expandDims(tensor, 1);

/**
 * One step of the SSD scan, for streaming: h = exp(dt A) h + dt x B^T;  y = (h C + D x) * silu(z). The same kernel as the whole sequence with L = 1.
 *
 * @param state - State before this step. Shape [B, H, P, N]. Not disposed here.
 * @param x - Input of this step. Shape [B, H, P].
 * @param dt - Step sizes. Shape [B, H].
 * @param A - Shape [H]; [B, H] where it varies with the step.
 * @param B - Shape [B, G, N].
 * @param C - Shape [B, G, N].
 * @param options - `D` [H] or [H, P], `z` [B, H, P], `dtBias` [H], `dtSoftplus`, `dtLimit`: as in `ssdScan`.
 * @returns `output` [B, H, P] and the next `state`. The caller disposes both.
 * @throws ShapeError, ConfigError, BackendError as `ssdScan`.
 * @remarks Time and memory O(B H P N). Gradients as in `ssdScan`.
 * @see Official reference: state-spaces/mamba, selective_state_update_ref with heads.
 * @example
 * const one = tf.ones([1, 1, 1]);
 * ssdScanStep(tf.ones([1, 1, 1, 1]), one, tf.ones([1, 1]), tf.fill([1], -Math.LN2), one, one).output.arraySync(); // [[[1.5]]]
 */
export function ssdScanStep(state: Tensor, x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, options: SsdScanStepOptions = {}): SsdScanResult {
  checkRank('ssdScanStep', 'x', x, 3, '[B, H, P]', ONE_STEP);
  checkShape('ssdScanStep', 'dt', dt, x.shape.slice(0, 2), '[B, H]', ONE_STEP);
  checkRank('ssdScanStep', 'B', B, 3, '[B, G, N]', ONE_STEP);
  checkRank('ssdScanStep', 'C', C, 3, '[B, G, N]', ONE_STEP);
  if (options.z) checkShape('ssdScanStep', 'z', options.z, x.shape, '[B, H, P], as x', ONE_STEP);
  return tf.tidy(() => {
    const result = ssdScan(asSequence(x), asSequence(dt), A.rank === 2 ? asSequence(A) : A, asSequence(B), asSequence(C), {
      ...options, z: options.z && asSequence(options.z), state,
    });
    return { output: tf.squeeze(result.output, [1]), state: result.state };
  });
}
