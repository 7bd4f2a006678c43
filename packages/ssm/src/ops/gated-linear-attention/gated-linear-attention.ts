import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { checkRank, checkShape, showShape } from '../common/check-shape.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { gatedAttention } from './kernel.ts';
import type { DecayKind } from './reference.ts';

/** `matrix` [B, H, K, V]; with a normaliser its running sum of keys `normaliser` [B, H, K]; with an input gate the log-`maximum` [B, H] that both are scaled by. */
export type GatedLinearAttentionState = { readonly matrix: Tensor; readonly normaliser?: Tensor; readonly maximum?: Tensor };

/** State as given: a part may be undefined. */
type GivenState = { readonly matrix: Tensor; readonly normaliser?: Tensor | undefined; readonly maximum?: Tensor | undefined };

export interface GatedLinearAttentionOptions extends SequenceOptions {
  readonly decay?: Tensor | undefined;
  readonly bonus?: Tensor | undefined;
  readonly beta?: Tensor | undefined;
  readonly a?: Tensor | undefined;
  readonly b?: Tensor | undefined;
  readonly inputGate?: Tensor | undefined;
  readonly normaliser?: 'sum' | 'maximum' | undefined;
  readonly epsilon?: number | undefined;
  readonly scale?: number | undefined;
  readonly queryKeyNorm?: 'l2' | undefined;
  readonly state?: GivenState | undefined;
}

export type GatedLinearAttentionResult = { readonly output: Tensor; readonly state: GatedLinearAttentionState };

const NAME = 'gatedLinearAttention';
const AS_Q = 'Give one value for each step, head and key, as in q.';
const DECAYS: readonly DecayKind[] = ['none', 'head', 'headKey', 'step', 'stepKey'];

/** x / sqrt(sum(x^2) + 1e-6) over the last axis. */
function unitLength(x: Tensor): Tensor {
  return tf.div(x, tf.sqrt(tf.add(tf.sum(tf.square(x), -1, true), 1e-6)));
}

/**
 * Linear attention with a gated matrix state S [K, V] of each head: S[t] = exp(decay[t]) S[t-1] + b[t]^T (a[t] S[t-1]) + k[t]^T v[t];
 * output[t] = scale * q[t] S[t].
 *
 * @param q - Queries. Shape [B, L, H, K].
 * @param k - Keys. Shape [B, L, H, K].
 * @param v - Values. Shape [B, L, H, V].
 * @param options.decay - Logarithm of what a step keeps of the state, at most 0. Shape [H], [H, K], [B, L, H] or [B, L, H, K]. Default: everything is kept.
 * @param options.bonus - RWKV-5 and 6: the output reads the state before the step, plus bonus * k^T v of the step itself. Shape [H, K].
 * @param options.beta - Delta rule: k^T beta (v - k exp(decay) S) is written instead of k^T v. Shape [B, L, H], range 0 to 1 (to 2 with negative eigenvalues).
 * @param options.a, options.b - RWKV-7's rank-one term, given together. Shape [B, L, H, K] each.
 * @param options.inputGate - mLSTM: logarithm of what a step takes in. Shape [B, L, H]. Needs `normaliser: 'maximum'` and a decay of [B, L, H], [H] or none.
 * @param options.normaliser - With n the state of values 1: 'sum' divides the output by scale q n + epsilon, 'maximum' by max(|scale q n|, 1) + epsilon,
 * where an input gate turns the 1 into exp(-m) because state and sum are kept scaled by it. Default: no division.
 * @param options.epsilon - Default 1e-10 for 'sum', 1e-6 for 'maximum', as the official code has them.
 * @param options.scale - Default 1 / sqrt(K).
 * @param options.queryKeyNorm - 'l2' divides q and k by sqrt(sum of squares + 1e-6) first. Default: as given.
 * @param options.state - State before the first step, see `GatedLinearAttentionState`. Default: zeros. Not disposed here.
 * @param options.lengths, options.mask, options.segments, options.previousSegments - See `SequenceOptions`. The output of a masked step is 0.
 * @returns `output` [B, L, H, V] and `state` after the last step. The caller disposes all of them.
 * @throws ShapeError if any shape differs from the ones above; the message names the tensor.
 * @throws ConfigError if a tensor is not float32 or two of bonus, beta, a and b, normaliser exclude each other.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @throws GradientError if a gradient of its gradient is asked for.
 * @remarks float32. Time O(L H K V), memory of the backward pass O(L / 16 K V) for each thread: states are recomputed from checkpoints. With an input gate
 * the state is kept times exp(-m), m[t] = max(decay[t] + m[t-1], inputGate[t]), m = 0 at the start, so no exponential overflows.
 * @see RetNet arXiv 2307.08621, GLA 2312.06635, RWKV-5/6 2404.05892, RWKV-7 2503.14456, xLSTM 2405.04517, DeltaNet 2406.06484, Gated DeltaNet 2412.06464.
 * Official: fla-org/flash-linear-attention, fla/ops (naive forms); NX-AI/xlstm, recurrent_step_stabilized_simple.
 * @example
 * const one = tf.ones([1, 2, 1, 1]);
 * gatedLinearAttention(one, one, one, { decay: tf.tensor1d([-Math.LN2]) }).output.dataSync(); // [1, 1.5]
 */
export function gatedLinearAttention(q: Tensor, k: Tensor, v: Tensor, options: GatedLinearAttentionOptions = {}): GatedLinearAttentionResult {
  const [batch, length, heads, keyWidth, valueWidth] = checkSequences(q, k, v);
  const { decay, bonus, beta, a, b, inputGate, normaliser = 'none', state } = options;
  checkCombination(options);
  const decayKind = decay ? DECAYS[decay.rank] : 'none';
  if (decay) {
    const shapes = [[heads], [heads, keyWidth], [batch, length, heads], [batch, length, heads, keyWidth]];
    const expected = shapes[decay.rank - 1];
    const LETTERS = '[H], [H, K], [B, L, H] or [B, L, H, K]';
    if (!expected) throw new ShapeError(`${NAME}: decay has shape ${showShape(decay.shape)}, expected ${LETTERS}. Give logarithms of what a step keeps.`);
    checkShape(NAME, 'decay', decay, expected, LETTERS, 'Give logarithms of what a step keeps.');
  }
  if (bonus) checkShape(NAME, 'bonus', bonus, [heads, keyWidth], '[H, K]', 'Give one bonus for each head and key.');
  const PER_STEP = 'Give one value for each step and head.';
  if (beta) checkShape(NAME, 'beta', beta, [batch, length, heads], '[B, L, H]', PER_STEP);
  if (inputGate) checkShape(NAME, 'inputGate', inputGate, [batch, length, heads], '[B, L, H]', PER_STEP);
  if (a && b) {
    checkShape(NAME, 'a', a, q.shape, '[B, L, H, K]', AS_Q);
    checkShape(NAME, 'b', b, q.shape, '[B, L, H, K]', AS_Q);
  }
  if (state) checkGivenState(state, options, batch, heads, keyWidth, valueWidth);
  const { scale = keyWidth ** -0.5, epsilon = normaliser === 'sum' ? 1e-10 : 1e-6 } = options;
  return tf.tidy(() => {
    const unit = options.queryKeyNorm === 'l2';
    const [output, matrix, ...more] = gatedAttention.run({
      q: unit ? unitLength(q) : q, k: unit ? unitLength(k) : k, v, decay, bonus, beta, a, b, inputGate,
      matrix: state?.matrix, normaliser: state?.normaliser, maximum: state?.maximum,
    }, {
      batch, length, heads, keyWidth, valueWidth, decayKind: decayKind!, normaliser, hasGate: inputGate !== undefined, scale, epsilon,
      control: controlBytes(NAME, batch, length, options),
    });
    return { output: output!, state: { matrix: matrix!, ...(normaliser !== 'none' && { normaliser: more[0]! }), ...(inputGate && { maximum: more[1]! }) } };
  });
}

function checkSequences(q: Tensor, k: Tensor, v: Tensor): readonly [number, number, number, number, number] {
  const HEADS = 'Split the channels into heads: tf.reshape(x, [B, L, H, K]).';
  checkRank(NAME, 'q', q, 4, '[B, L, H, K]', HEADS);
  const [batch, length, heads, keyWidth] = q.shape as [number, number, number, number];
  if (length < 1 || heads < 1 || keyWidth < 1) throw new ShapeError(`${NAME}: q has shape ${showShape(q.shape)}, expected at least one step, head and key ([B, L, H, K]). Leave the call out where there is nothing to process.`);
  checkShape(NAME, 'k', k, q.shape, '[B, L, H, K], as q', AS_Q);
  checkRank(NAME, 'v', v, 4, '[B, L, H, V]', HEADS);
  const valueWidth = v.shape[3]!;
  checkShape(NAME, 'v', v, [batch, length, heads, Math.max(1, valueWidth)], '[B, L, H, V], V >= 1', HEADS);
  return [batch, length, heads, keyWidth, valueWidth];
}

function checkCombination({ bonus, beta, a, b, inputGate, normaliser, queryKeyNorm, decay }: GatedLinearAttentionOptions): void {
  if (!a !== !b) throw new ConfigError(`${NAME}: ${a ? 'a was given without b' : 'b was given without a'}, expected both or neither. The rank-one term is b^T (a S).`);
  const given = [bonus && 'bonus', beta && 'beta', a && 'a and b', normaliser && 'normaliser'].filter(Boolean);
  if (given.length > 1) throw new ConfigError(`${NAME}: ${given.join(', ')} were given together, expected at most one of them. No published model joins them.`);
  if (normaliser !== undefined && normaliser !== 'sum' && normaliser !== 'maximum') throw new ConfigError(`${NAME}: normaliser is '${String(normaliser)}', expected 'sum', 'maximum' or nothing. Set options.normaliser.`);
  if (queryKeyNorm !== undefined && queryKeyNorm !== 'l2') throw new ConfigError(`${NAME}: queryKeyNorm is '${String(queryKeyNorm)}', expected 'l2' or nothing. Apply another norm to q and k first.`);
  if (inputGate && normaliser !== 'maximum') throw new ConfigError(`${NAME}: inputGate was given without normaliser: 'maximum', expected both. The state is kept scaled, and the division takes the scale away.`);
  if (inputGate && (decay?.rank === 2 || decay?.rank === 4)) throw new ConfigError(`${NAME}: inputGate was given with a decay for each key, expected one for each head. One maximum scales the whole state of a head.`);
}

function checkGivenState(state: GivenState, { normaliser, inputGate }: GatedLinearAttentionOptions, batch: number, heads: number, keyWidth: number, valueWidth: number): void {
  const STATE = 'Pass the state that an earlier call with the same batch and options returned.';
  checkShape(NAME, 'state.matrix', state.matrix, [batch, heads, keyWidth, valueWidth], '[B, H, K, V]', STATE);
  const parts = [['normaliser', state.normaliser, normaliser !== undefined, [batch, heads, keyWidth], '[B, H, K]'], ['maximum', state.maximum, inputGate !== undefined, [batch, heads], '[B, H]']] as const;
  for (const [name, tensor, wanted, shape, letters] of parts) {
    if (wanted !== (tensor !== undefined)) throw new ConfigError(`${NAME}: state.${name} was ${wanted ? 'left out' : 'given'}, expected ${wanted ? `${letters}` : 'none with these options'}. ${STATE}`);
    if (tensor) checkShape(NAME, `state.${name}`, tensor, shape, letters, STATE);
  }
}
