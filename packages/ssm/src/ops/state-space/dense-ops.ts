import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { discretiseDense, hippoTransition } from '../../math/index.ts';
import type { DiscretisationMethod, HippoMeasure } from '../../math/index.ts';
import { checkRank, checkShape } from '../common/check-shape.ts';
import type { SequenceOptions } from '../common/control.ts';
import { runStateSpace } from '../state-space-scan/index.ts';
import { denseSystem, fixedSystem } from './dense.ts';
import type { ScanSystem } from './system.ts';
import type { SystemCache } from './system-cache.ts';
import type { Raw } from './system.ts';

/** Parameters of LSSL: A [N, N] and B [N] shared by all channels, logDt [H], C [H, channels, N]. */
export interface LsslParameters {
  readonly A: Tensor;
  readonly B: Tensor;
  readonly logDt: Tensor;
  readonly C: Tensor;
}

export interface RealSystemOptions extends SequenceOptions {
  /** [B, H, N]. Default: zeros. Not disposed here. */
  readonly state?: Tensor | undefined;
  readonly cache?: SystemCache | undefined;
}

export type RealSystemResult = { readonly output: Tensor; readonly state: Tensor };

/** A system of real numbers: the imaginary half of the state is left out. */
function runReal(operation: string, u: Tensor, parameters: Record<string, Tensor>, sizes: { heads: number; modes: number; channels: number }, prepare: (raw: Raw) => ScanSystem, options: RealSystemOptions): RealSystemResult {
  const { state, cache, ...sequence } = options;
  if (state) checkShape(operation, 'state', state, [u.shape[0]!, sizes.heads, sizes.modes], '[B, H, N]', 'Pass the state that an earlier call with the same batch returned.');
  return tf.tidy(() => {
    const result = runStateSpace(operation, u, parameters, { ...sizes, rank: sizes.modes }, (raw) => (cache ? cache.system(raw, () => prepare(raw)) : prepare(raw)), {
      ...sequence, state: state && { re: state, im: tf.zerosLike(state) },
    });
    return { output: result.output, state: result.state.re };
  });
}

/**
 * LSSL's recurrence: x[t] = A' x[t-1] + B' u[t], y[t] = C x[t], A' and B' dense and real by the bilinear transform with a step for each channel.
 *
 * @param u - [B, L, H]. @param p - See `LsslParameters`.
 * @param options - `state` [B, H, N], `lengths`, `mask`, `segments`.
 * @returns `output` [B, L, channels, H] and `state` [B, H, N]. The caller disposes both.
 * @throws ShapeError, ConfigError naming the tensor.
 * @remarks Double precision from the parameters on. O(L H N^2), and O(H N^3) for the transform; gradients reach every parameter.
 * @see Gu et al. 2021, arXiv 2110.13985. Official: state-spaces/s4, modules/lssl.py.
 */
export function lsslScan(u: Tensor, p: LsslParameters, options: RealSystemOptions = {}): RealSystemResult {
  checkRank('lsslScan', 'C', p.C, 3, '[H, channels, N]', 'Add an axis of 1 for one channel.');
  const [heads, channels, modes] = p.C.shape as [number, number, number];
  checkShape('lsslScan', 'A', p.A, [modes, modes], '[N, N]', 'Give one matrix for all channels.');
  checkShape('lsslScan', 'B', p.B, [modes], '[N]', 'Give one vector for all channels.');
  checkShape('lsslScan', 'logDt', p.logDt, [heads], '[H]', 'Give one step for each channel.');
  return runReal('lsslScan', u, { A: p.A, B: p.B, logDt: p.logDt, C: p.C }, { heads, modes, channels }, (raw) => denseSystem(raw, { heads, stateSize: modes, channels }), options);
}

/**
 * A time-invariant HiPPO memory of each channel, read by vectors: x' = A x + B u of a measure, discretised with a fixed step; y_c = c_c . x.
 *
 * @param u - [B, L, H]. @param c - Readout, [C, H, N].
 * @param memory.measure - Any but 'legs', whose memory is time-varying: `legsScan`. @param memory.step - In units of the measure's time; 1 / window length for 'legt' and 'fout'.
 * @param memory.method - Default 'bilinear'.
 * @returns `output` [B, L, C, H] and `state` [B, H, N]. The caller disposes both.
 * @see Gu et al. 2020, arXiv 2008.07669. Official: state-spaces/s4, rnns/cells/memory.py, LTICell.
 */
export function hippoScan(u: Tensor, c: Tensor, memory: { readonly measure: HippoMeasure; readonly step: number; readonly method?: DiscretisationMethod | undefined }, options: RealSystemOptions = {}): RealSystemResult {
  checkRank('hippoScan', 'c', c, 3, '[C, H, N]', 'Add an axis of 1 for a single readout.');
  const [channels, heads, modes] = c.shape as [number, number, number];
  return runReal('hippoScan', u, { C: c }, { heads, modes, channels }, (raw) => {
    const { A, B } = hippoTransition(memory.measure, modes), discrete = discretiseDense(A, B, memory.step, memory.method ?? 'bilinear');
    return fixedSystem(raw, discrete.A, discrete.B, heads);
  }, options);
}
