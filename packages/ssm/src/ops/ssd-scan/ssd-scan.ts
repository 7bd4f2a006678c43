import type { Tensor } from '@tensorflow/tfjs';
import { ConfigError } from '../../errors/index.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { checkSsdInputs } from './check-inputs.ts';
import { stateSpaceDual } from './kernel.ts';

export interface SsdScanStepOptions {
  readonly D?: Tensor | undefined;
  readonly z?: Tensor | undefined;
  readonly dtBias?: Tensor | undefined;
  readonly dtSoftplus?: boolean | undefined;
  readonly dtLimit?: readonly [number, number] | undefined;
}

export interface SsdScanOptions extends SsdScanStepOptions, SequenceOptions {
  readonly state?: Tensor | undefined;
  readonly returnStates?: 'last' | 'chunk' | 'all' | undefined;
  readonly chunkLength?: number | undefined;
}

/** A type and not an interface, so that `tf.tidy` accepts it as a container of tensors. */
export type SsdScanResult = {
  readonly output: Tensor;
  readonly state: Tensor;
  /** Only with `returnStates` 'chunk' or 'all'. */
  readonly states?: Tensor;
};

const DEFAULT_CHUNK_LENGTH = 64;

function stateInterval({ returnStates = 'last', chunkLength = DEFAULT_CHUNK_LENGTH }: SsdScanOptions): number {
  if (!Number.isInteger(chunkLength) || chunkLength < 1) {
    throw new ConfigError(`ssdScan: chunkLength is ${chunkLength}, expected an integer of at least 1 (steps). Leave it out for ${DEFAULT_CHUNK_LENGTH}.`);
  }
  if (returnStates === 'last') return 0;
  if (returnStates === 'chunk') return chunkLength;
  if (returnStates === 'all') return 1;
  throw new ConfigError(`ssdScan: returnStates is '${String(returnStates)}', expected 'last', 'chunk' or 'all'. Leave it out for 'last'.`);
}

function limits(dtLimit: readonly number[] | undefined): { dtLeast: number; dtMost: number } {
  if (dtLimit === undefined) return { dtLeast: -Infinity, dtMost: Infinity };
  const [dtLeast, dtMost] = dtLimit;
  if (dtLimit.length !== 2 || !(dtLeast! <= dtMost!)) {
    throw new ConfigError(`ssdScan: dtLimit is [${dtLimit.join(', ')}], expected [least, most] with least <= most (steps). Leave it out for no limits.`);
  }
  return { dtLeast: dtLeast!, dtMost: dtMost! };
}

/**
 * SSD scan of Mamba-2, for each head: h[t] = exp(dt[t] A) h[t-1] + dt[t] x[t] B[t]^T;  y[t] = (h[t] C[t] + D x[t]) * silu(z[t]);
 * dt = limit(softplus?(dt + dtBias)). Computed in chunks as matrix products.
 *
 * @param x - Input sequence. Shape [B, L, H, P], L >= 1.
 * @param dt - Step sizes in units of one step, raw where `dtSoftplus`, `dtBias` or `dtLimit` make the final ones. Shape [B, L, H].
 * @param A - Decay rate of each head, as a rule negative. Shape [H]; [B, L, H] where it varies with the step.
 * @param B - Input coefficients. Shape [B, L, G, N]; head h reads group floor(h / (H / G)).
 * @param C - Output coefficients. Shape [B, L, G, N].
 * @param options.D - Direct path from input to output. Shape [H] or [H, P]. Default: none.
 * @param options.z - Gate; the output is multiplied by silu(z). Shape [B, L, H, P]. Default: none.
 * @param options.dtBias - Added to dt before the softplus. Shape [H]. Default: none.
 * @param options.dtSoftplus - Whether dt (with its bias) goes through softplus. Default: false.
 * @param options.dtLimit - Bounds of dt after the softplus; no gradient passes where a bound holds. Default: none.
 * @param options.state - State before the first step. Shape [B, H, P, N]. Default: zeros. Not disposed here.
 * @param options.returnStates - 'last': only the final state; 'chunk': also the state after every `chunkLength` steps and the last one; 'all': after every step. Default: 'last'.
 * @param options.chunkLength - Steps between returned states, at least 1. Default: 64.
 * @param options.lengths, options.mask, options.segments, options.previousSegments - Which steps count and where the state resets; see `SequenceOptions`. The output of a masked step is 0.
 * @returns `output` [B, L, H, P], `state` [B, H, P, N] after the last step, and `states` [B, ceil(L / q), H, P, N] where asked for. The caller disposes all of them.
 * @throws ShapeError if any shape differs from the ones above; the message names the tensor.
 * @throws ConfigError if a tensor is not float32 or an option has no such value.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @throws GradientError if a gradient of its gradient is asked for.
 * @remarks Float32 arithmetic, sums of log decays in float64. Chunks of 64 steps: time O(L H P (N + 64) + L G N 64), memory O(H P N + L G 64) beyond the
 * output. The backward pass recomputes from the states of chunks, O(L/64 H P N) for the heads at work. Variable lengths (the official `seq_idx`,
 * `cu_seqlens`) are `segments` and `lengths`. Masked steps are free; `returnStates: 'all'` gives up the matrix form.
 * @see Dao and Gu 2024, arXiv 2405.21060, section 6. Official: state-spaces/mamba, ssd_chunk_scan_combined_ref, ssd_minimal_discrete (there x is dt x and A is dt A: pass dt of ones and A of [B, L, H]).
 * @example
 * const ones = tf.ones([1, 3, 1, 1]);
 * ssdScan(ones, tf.ones([1, 3, 1]), tf.fill([1], -Math.LN2), ones, ones).output.reshape([3]).arraySync(); // [1, 1.5, 1.75]
 */
export function ssdScan(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, options: SsdScanOptions = {}): SsdScanResult {
  const { D, z, dtBias, state } = options;
  const stateEvery = stateInterval(options);
  const sizes = checkSsdInputs('ssdScan', { x, dt, A, B, C, D, z, dtBias, state });
  const [output, last, states] = stateSpaceDual.run({ x, dt, A, B, C, D, z, dtBias, state }, {
    ...sizes, ...limits(options.dtLimit), softplus: options.dtSoftplus ?? false, stateEvery,
    control: controlBytes('ssdScan', sizes.batch, sizes.length, options),
  });
  return { output: output!, state: last!, ...(states ? { states } : {}) };
}
