import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { checkRank, checkShape, sequenceSizes, showShape } from '../common/check-shape.ts';
import { controlBytes, MASKED, RESET } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { legsMemoryScan } from './kernel.ts';

/** `memory` [B, H, N], the coefficients; `steps` [B] int32, how many samples they stand for. */
export type LegsState = { readonly memory: Tensor; readonly steps: Tensor };

export interface LegsScanOptions extends SequenceOptions {
  /** Generalised bilinear: 0 forward, 1/2 bilinear, 1 backward. Default 1/2. */
  readonly alpha?: number | undefined;
  readonly state?: LegsState | undefined;
}

export type LegsScanResult = { readonly output: Tensor; readonly state: LegsState };

/**
 * The scale-invariant LegS memory of each channel, read by fixed vectors: sample t + 1 takes x to (I - alpha A / t)^-1 ((I + (1 - alpha) A / t) x + B / t u), the first one to
 * (u, 0, ...); y_c = c_c . x.
 *
 * @param u - Input sequence. Shape [B, L, H], L >= 1.
 * @param c - Readout. Shape [C, H, N].
 * @param options.alpha - Of the generalised bilinear transform, 0 to 1. Default 1/2. 0 is unstable for N of more than a few.
 * @param options.state - `memory` [B, H, N] and `steps` [B] int32, as an earlier call returned them. Default: empty. Not disposed here.
 * @param options.lengths, options.mask, options.segments, options.previousSegments - See `SequenceOptions`. A masked step is no sample: neither memory nor count change.
 * @returns `output` [B, L, C, H] and the next `state`. The caller disposes all of it.
 * @throws ShapeError, ConfigError naming the tensor or option; BackendError without `useBackend`; GradientError for a second gradient.
 * @remarks Double precision inside. A is triangular with products and solves by prefix sums, so time is O(L H N). Gradients reach u, c and the memory.
 * @see Gu et al. 2020, arXiv 2008.07669, theorem 2. Official: state-spaces/s4, rnns/cells/memory.py, LSICell.
 * @example
 * legsScan(tf.ones([1, 3, 1]), tf.ones([1, 1, 1])).output.flatten().arraySync(); // [1, 1, 1]
 */
export function legsScan(u: Tensor, c: Tensor, options: LegsScanOptions = {}): LegsScanResult {
  const [batch, length, heads] = sequenceSizes('legsScan', 'u', u, '[B, L, H]');
  checkRank('legsScan', 'c', c, 3, '[C, H, N]', 'Add an axis of 1 for a single readout.');
  const [channels, , stateSize] = c.shape as [number, number, number], { alpha = 0.5, state } = options;
  checkShape('legsScan', 'c', c, [channels, heads, stateSize], '[C, H, N], H as u', 'Give one row of coefficients for each channel.');
  if (channels < 1 || stateSize < 1) throw new ShapeError(`legsScan: c has shape ${showShape(c.shape)}, expected at least one readout and one coefficient ([C, H, N]).`);
  if (!(alpha >= 0 && alpha <= 1)) throw new ConfigError(`legsScan: alpha is ${alpha}, expected a number from 0 (forward) to 1 (backward).`);
  if (state) {
    checkShape('legsScan', 'state.memory', state.memory, [batch, heads, stateSize], '[B, H, N]', 'Pass the state that an earlier call with the same batch returned.');
    if (state.steps.dtype !== 'int32' || state.steps.shape.join() !== String(batch)) throw new ShapeError(`legsScan: state.steps is ${state.steps.dtype} ${showShape(state.steps.shape)}, expected int32 [${batch}] ([B]). Pass the state that an earlier call with the same batch returned.`);
  }
  const control = controlBytes('legsScan', batch, length, options), steps = state ? Int32Array.from(state.steps.dataSync()) : null;
  const [output, memory] = legsMemoryScan.run({ u, c, state: state?.memory }, { batch, length, heads, stateSize, channels, alpha, steps, control });
  return { output: output!, state: { memory: memory!, steps: tf.tensor1d(countSamples(batch, length, steps, control), 'int32') } };
}

/** Samples seen after the call: the counted steps since the last reset. */
function countSamples(batch: number, length: number, before: Int32Array | null, control: Uint8Array | null): Int32Array {
  return Int32Array.from({ length: batch }, (_, b) => {
    let count = before?.[b] ?? 0;
    for (let l = 0; l < length; l++) {
      const bits = control?.[b * length + l] ?? 0;
      if (bits & RESET) count = 0;
      if (!(bits & MASKED)) count++;
    }
    return count;
  });
}

/**
 * One sample of the LegS memory, for streaming. @param u - [B, H]. @returns `output` [B, C, H] and the next `state`. See `legsScan`.
 */
export function legsScanStep(state: LegsState, u: Tensor, c: Tensor, options: { readonly alpha?: number | undefined } = {}): LegsScanResult {
  checkRank('legsScanStep', 'u', u, 2, '[B, H]', 'Pass one step of each sequence, without the L axis.');
  return tf.tidy(() => {
    const result = legsScan(tf.expandDims(u, 1), c, { ...options, state });
    return { output: tf.squeeze(result.output, [1]), state: result.state };
  });
}
