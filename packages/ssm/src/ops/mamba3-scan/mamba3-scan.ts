import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { checkMamba3Inputs } from './check-inputs.ts';
import { trapezoidalScan } from './kernel.ts';

/** What a Mamba-3 scan remembers: `angle` [B, H, S], `ssm` [B, H, P, N], and of the last counted step `B` [B, H, R, N] (turned) and `x` [B, H, R, P] (projected). */
export type Mamba3ScanState = { readonly angle: Tensor; readonly ssm: Tensor; readonly B: Tensor; readonly x: Tensor };

export interface Mamba3ScanInputs {
  readonly x: Tensor;
  readonly dt: Tensor;
  readonly logDecay: Tensor;
  readonly trap: Tensor;
  readonly B: Tensor;
  readonly C: Tensor;
  readonly angles: Tensor;
}

export interface Mamba3ScanStepOptions {
  readonly bBias?: Tensor | undefined;
  readonly cBias?: Tensor | undefined;
  readonly D?: Tensor | undefined;
  readonly z?: Tensor | undefined;
  readonly xProjection?: Tensor | undefined;
  readonly zProjection?: Tensor | undefined;
  readonly outProjection?: Tensor | undefined;
  readonly normWeight?: Tensor | undefined;
  readonly normEpsilon?: number | undefined;
  readonly wrapAngles?: boolean | undefined;
}

export interface Mamba3ScanOptions extends Mamba3ScanStepOptions, SequenceOptions {
  readonly state?: Mamba3ScanState | undefined;
}

export type Mamba3ScanResult = { readonly output: Tensor; readonly state: Mamba3ScanState };

/** A rank axis of 1 where there is none, before the groups. */
const withRank = (tensor: Tensor, rank: number): Tensor => (tensor.shape.length === rank - 1 ? tf.expandDims(tensor, rank - 3) : tensor);

/**
 * Scan of Mamba-3, for each head: h[t] = a h[t-1] + (1 - s) dt a v[t-1] B[t-1]^T + s dt v[t] B[t]^T;  y[t] = (h[t] C[t] + D v[t]) * silu(z[t]), with a = exp(logDecay[t]),
 * s = sigmoid(trap[t]), and the pairs of B and C turned by the running sum of tanh(angles) pi dt: the trapezoidal rule over complex states. With R ranks (MIMO) v, z and the
 * output are R scaled copies, summed in the state and at the output.
 *
 * @param inputs.x - Input sequence. Shape [B, L, H, P], L >= 1.
 * @param inputs.dt - Step sizes, final ones, in units of one step. Shape [B, L, H].
 * @param inputs.logDecay - Logarithm of the decay of each step (A dt), as a rule negative. Shape [B, L, H].
 * @param inputs.trap - Weight of this step against the one before, ahead of the sigmoid. Shape [B, L, H].
 * @param inputs.B - Input coefficients. Shape [B, L, R, G, N], or [B, L, G, N] with one rank; head h reads group floor(h / (H / G)).
 * @param inputs.C - Output coefficients, shapes as B.
 * @param inputs.angles - Rates at which the first S pairs (2i, 2i + 1) of B and C turn, ahead of tanh. Shape [B, L, H, S], or [B, L, 1, S] for all heads alike; S <= N / 2.
 * @param options.bBias, options.cBias - Added to B and C before they turn. Shape [H, R, N]. Default: none.
 * @param options.D - Direct path from input to output. Shape [H]. Default: none.
 * @param options.z - Gate; the output is multiplied by silu(z). Shape [B, L, H, P]. Default: none.
 * @param options.xProjection, options.zProjection, options.outProjection - Factors of each rank. Shape [H, R, P]. Default: ones.
 * @param options.normWeight - With it each rank's output is divided by its root mean square over P and scaled before the gate. Shape [H, P]. Default: no norm.
 * @param options.normEpsilon - Added to the mean square. Default: 1e-5.
 * @param options.wrapAngles - Whether the angle in the state stays in [0, 2 pi). Outputs do not depend on it. Default: true.
 * @param options.state - State before the first step, see `Mamba3ScanState`. Default: zeros. Not disposed here.
 * @param options.lengths, options.mask, options.segments, options.previousSegments - See `SequenceOptions`. A masked step is left out as if it did not exist (the step before it counts as the last one), its output is 0; a new
 * segment starts from an empty state, angle and last step included.
 * @returns `output` [B, L, H, P] and `state` after the last step. The caller disposes both.
 * @throws ShapeError if any shape differs from the ones above; the message names the tensor.
 * @throws ConfigError if a tensor is not float32 or an option has no such value.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @throws GradientError if a gradient of its gradient is asked for.
 * @remarks Float32 arithmetic, angles summed in float64 within a call. Time O(L H P N R), memory O(H P N) beyond the output; the backward pass recomputes from the memory of chunks of 64 steps. Gradients reach every tensor
 * given, the state too, and come from output and state.
 * @see Lahoti et al. 2026, arXiv 2603.15569. Official references: state-spaces/mamba, tests/ops/triton/test_mamba3_siso.py and tests/ops/tilelang/test_mamba3_mimo.py.
 * @example
 * const one = (...shape) => tf.ones(shape);
 * mamba3Scan({ x: one(1, 3, 1, 1), dt: one(1, 3, 1), logDecay: tf.zeros([1, 3, 1]), trap: tf.zeros([1, 3, 1]), B: one(1, 3, 1, 2), C: one(1, 3, 1, 2), angles: tf.zeros([1, 3, 1, 1]) }).output.reshape([3]).arraySync(); // [1, 3, 5]
 */
export function mamba3Scan(inputs: Mamba3ScanInputs, options: Mamba3ScanOptions = {}): Mamba3ScanResult {
  const ranked = { ...inputs, B: withRank(inputs.B, 5), C: withRank(inputs.C, 5) };
  const sizes = checkMamba3Inputs('mamba3Scan', ranked, options);
  const { bBias, cBias, D, z, xProjection, zProjection, outProjection, normWeight, normEpsilon = 1e-5, wrapAngles = true, state } = options;
  const { x, dt, logDecay, trap, B, C, angles } = ranked;
  const [output, angle, ssm, lastB, lastX] = trapezoidalScan.run({
    x, dt, logDecay, trap, B, C, angles, bBias, cBias, D, z, xProjection, zProjection, outProjection, normWeight,
    stateAngle: state?.angle, stateSsm: state?.ssm, stateB: state?.B, stateX: state?.x,
  }, { ...sizes, wrapAngles, normEpsilon, control: controlBytes('mamba3Scan', sizes.batch, sizes.length, options) });
  return { output: output!, state: { angle: angle!, ssm: ssm!, B: lastB!, x: lastX! } };
}
