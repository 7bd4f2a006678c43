import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { checkRank, checkShape } from '../common/check-shape.ts';
import { mamba3Scan } from './mamba3-scan.ts';
import type { Mamba3ScanInputs, Mamba3ScanResult, Mamba3ScanState, Mamba3ScanStepOptions } from './mamba3-scan.ts';

/** Puts an L axis of 1 after the batch axis. */
const asSequence = (tensor: Tensor): Tensor => tf.expandDims(tensor, 1);

/**
 * One step of the Mamba-3 scan, for streaming. The same kernel as the whole sequence with L = 1.
 *
 * @param state - State before this step, see `Mamba3ScanState`. Not disposed here.
 * @param inputs - As in `mamba3Scan` without the L axis: x [B, H, P], dt, logDecay, trap [B, H], B and C [B, R, G, N] or [B, G, N], angles [B, H, S] or [B, 1, S].
 * @param options - As in `mamba3Scan`; z is [B, H, P].
 * @returns `output` [B, H, P] and the next `state`. The caller disposes both.
 * @throws ShapeError, ConfigError, BackendError as `mamba3Scan`.
 * @remarks Time and memory O(B H P N R). Gradients as in `mamba3Scan`.
 * @example
 * const one = (...shape) => tf.ones(shape), zero = (...shape) => tf.zeros(shape);
 * const state = { angle: zero(1, 1, 1), ssm: zero(1, 1, 1, 2), B: one(1, 1, 1, 2), x: one(1, 1, 1, 1) };
 * mamba3ScanStep(state, { x: one(1, 1, 1), dt: one(1, 1), logDecay: zero(1, 1), trap: zero(1, 1), B: one(1, 1, 2), C: one(1, 1, 2), angles: zero(1, 1, 1) }).output.arraySync(); // [[[2]]]
 */
export function mamba3ScanStep(state: Mamba3ScanState, inputs: Mamba3ScanInputs, options: Mamba3ScanStepOptions = {}): Mamba3ScanResult {
  checkRank('mamba3ScanStep', 'x', inputs.x, 3, '[B, H, P]', 'Pass one step of each sequence, without the L axis.');
  if (options.z) checkShape('mamba3ScanStep', 'z', options.z, inputs.x.shape, '[B, H, P], as x', 'Pass one step of each sequence, without the L axis.');
  return tf.tidy(() => {
    const { x, dt, logDecay, trap, B, C, angles } = inputs;
    const result = mamba3Scan(
      { x: asSequence(x), dt: asSequence(dt), logDecay: asSequence(logDecay), trap: asSequence(trap), B: asSequence(B), C: asSequence(C), angles: asSequence(angles) },
      { ...options, z: options.z && asSequence(options.z), state },
    );
    return { output: tf.squeeze(result.output, [1]), state: result.state };
  });
}
