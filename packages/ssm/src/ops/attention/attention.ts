import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { checkRank, checkShape, showShape } from '../common/check-shape.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { attentionRows, rotationTable } from './attention-rows.ts';
import { attend } from './kernel.ts';

/**
 * What later steps may see: `keys` [B, M, G, K] (rotated) and `values` [B, M, G, V] of the last steps, oldest first, zeros behind them, and `position` [B] int32,
 * the counted steps since the segment began; min(position, M) slots are taken.
 */
export type AttentionState = { readonly keys: Tensor; readonly values: Tensor; readonly position: Tensor };

export interface RotaryOptions {
  /** Default 10000. */
  readonly base?: number | undefined;
  /** Elements of each head that turn, even. Default K. */
  readonly width?: number | undefined;
  /** Pairs are neighbours (2 i, 2 i + 1), else (i, i + width / 2). Default false. */
  readonly interleaved?: boolean | undefined;
}

export interface AttentionStepOptions {
  readonly window?: number | undefined;
  readonly scale?: number | undefined;
  readonly rotary?: RotaryOptions | boolean | undefined;
}

export interface AttentionOptions extends AttentionStepOptions, SequenceOptions {
  readonly causal?: boolean | undefined;
  readonly maximumLength?: number | undefined;
  readonly state?: AttentionState | undefined;
}

/** `state` where one was asked for: by `window`, `maximumLength` or `state`. */
export type AttentionResult = { readonly output: Tensor; readonly state?: AttentionState };

/**
 * Softmax attention over the steps that count: y[t] = sum over s of softmax_s(scale q[t] . k[s]) v[s], s from the same segment, up to t where causal, and not further than the
 * window reaches. Scores are never stored for more than a block.
 *
 * @param q - Queries. Shape [B, L, H, K], L >= 1.
 * @param k - Keys. Shape [B, L, G, K]; G divides H (G = H ordinary, 1 < G < H grouped, G = 1 one for all heads); query head h uses group floor(h / (H / G)).
 * @param v - Values. Shape [B, L, G, V].
 * @param options.causal - Whether later steps are hidden. Default true.
 * @param options.window - Steps a query sees on each open side, itself included. Default: all.
 * @param options.maximumLength - Slots of the growing state that is returned, where neither state nor window is given: most counted steps of a segment.
 * @param options.scale - Of the scores. Default 1 / sqrt(K).
 * @param options.rotary - true or options: queries and keys turn by their position in the segment. Default: none.
 * @param options.state - Of an earlier call with the same options; causal only. Not disposed here.
 * @param options.lengths, options.mask, options.segments, options.previousSegments - See `SequenceOptions`. A masked step is neither seen nor answered (output 0).
 * @returns `output` [B, L, H, V]; with a window, a maximumLength or a state also `state`: with a window its last window - 1 keys, constant in size, else every key up to the
 * maximum length. The caller disposes all of them.
 * @throws ShapeError if any shape differs from the ones above; StateError if a sequence grows beyond the maximum length.
 * @throws ConfigError if a tensor is not float32 or options contradict each other.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @throws GradientError if a gradient of its gradient is asked for.
 * @remarks Time O(L (L or window) (K + V) H); memory O(L (K + V) H) beyond the outputs, also with the gradient, which computes scores again. Gradients reach q, k, v and the state.
 * @see Vaswani et al. 2017, arXiv 1706.03762; Milakov and Gimelshein 2018, arXiv 1805.02867, and Dao et al. 2022, arXiv 2205.14135, for the streaming softmax; Su et al. 2021,
 * arXiv 2104.09864, for the rotation; Ainslie et al. 2023, arXiv 2305.13245, for groups.
 * @example
 * const [q, k, v] = [tf.zeros([1, 2, 1, 1]), tf.zeros([1, 2, 1, 1]), tf.tensor([1, 3], [1, 2, 1, 1])];
 * attention(q, k, v).output.arraySync(); // [[[[1]], [[2]]]]
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): AttentionResult {
  const { causal = true, window, state, maximumLength } = options;
  checkRank('attention', 'q', q, 4, '[B, L, H, K]', 'Split the heads first: tf.reshape(q, [B, L, H, K]).');
  const [batch, length, heads, keyWidth] = q.shape as [number, number, number, number];
  if (length < 1) throw new ShapeError(`attention: q has shape ${showShape(q.shape)}, expected at least one step ([B, L, H, K], L >= 1). Leave the call out where there is nothing to process.`);
  checkRank('attention', 'k', k, 4, '[B, L, G, K]', 'Split the groups first: tf.reshape(k, [B, L, G, K]).');
  checkRank('attention', 'v', v, 4, '[B, L, G, V]', 'Split the groups first: tf.reshape(v, [B, L, G, V]).');
  const groups = k.shape[2]!;
  const valueWidth = v.shape[3]!;
  if (groups < 1 || heads % groups !== 0) throw new ShapeError(`attention: q has ${heads} heads and k ${groups} groups, expected G to divide H. Give each group of keys the same number of heads.`);
  checkShape('attention', 'k', k, [batch, length, groups, keyWidth], '[B, L, G, K]', 'Give one key for each step and group, as wide as a query.');
  checkShape('attention', 'v', v, [batch, length, groups, valueWidth], '[B, L, G, V]', 'Give one value for each key.');
  checkWindow(causal, window, state, maximumLength);
  const capacity = !causal ? 0 : window !== undefined ? window - 1 : state ? state.keys.shape[1]! : (maximumLength ?? 0);
  const wantsState = causal && (window ?? state ?? maximumLength) !== undefined;
  if (state) checkState(state, [batch, capacity, groups, keyWidth, valueWidth]);
  const view = attentionRows({
    batch, length, causal, capacity, window: window ?? Infinity, drops: window !== undefined || !wantsState, positions: state ? state.position.dataSync() : new Int32Array(batch),
    control: controlBytes('attention', batch, length, options),
  });
  const rotary = rotaryOf(options.rotary, keyWidth);
  const table = rotary.width > 0 ? rotationTable(view.angles, rotary.width, rotary.base) : { cosine: null, sine: null };
  const [output, keys, values] = attend.run({ q, k, v, ...(capacity > 0 && state && { keys: state.keys, values: state.values }) }, {
    batch, length, capacity, heads, groups, keyWidth, valueWidth, rotary: rotary.width, interleaved: rotary.interleaved, scale: options.scale ?? 1 / Math.sqrt(keyWidth),
    rows: view.rows, counts: view.counts, angles: view.angles.length, ...table, wantsState,
  });
  return { output: output!, ...(wantsState && { state: { keys: keys!, values: values!, position: tf.tensor1d(view.positions, 'int32') } }) };
}

function checkWindow(causal: boolean, window: number | undefined, state: AttentionState | undefined, maximumLength: number | undefined): void {
  for (const [name, value] of Object.entries({ window, maximumLength })) {
    if (value !== undefined && (!Number.isSafeInteger(value) || value < 1)) throw new ConfigError(`attention: ${name} is ${value}, expected a whole number of at least 1. Leave it out to see everything.`);
  }
  if (!causal && (state || maximumLength !== undefined)) {
    throw new ConfigError(`attention: causal is false and ${state ? 'a state' : 'maximumLength'} was given, expected neither: attention to both sides has no state. Give the whole sequence at once.`);
  }
}

function checkState(state: AttentionState, [batch, capacity, groups, keyWidth, valueWidth]: readonly [number, number, number, number, number]): void {
  const WAY = 'Pass the state that an earlier call with the same batch and options returned.';
  checkShape('attention', 'state.keys', state.keys, [batch, capacity, groups, keyWidth], '[B, M, G, K]', WAY);
  checkShape('attention', 'state.values', state.values, [batch, capacity, groups, valueWidth], '[B, M, G, V]', WAY);
  const { shape, dtype } = state.position;
  if (shape.length !== 1 || shape[0] !== batch || dtype !== 'int32') throw new ShapeError(`attention: state.position is ${dtype} ${showShape(shape)}, expected int32 [${batch}] ([B]). ${WAY}`);
}

function rotaryOf(given: RotaryOptions | boolean | undefined, keyWidth: number): { base: number; width: number; interleaved: boolean } {
  if (!given) return { base: 1, width: 0, interleaved: false };
  const { base = 10000, width = keyWidth, interleaved = false } = given === true ? {} : given;
  if (!Number.isSafeInteger(width) || width < 2 || width % 2 !== 0 || width > keyWidth) {
    throw new ConfigError(`attention: rotary.width is ${width}, expected an even number from 2 to ${keyWidth} (K). Give each head an even width, or turn a part of it.`);
  }
  if (!(base > 0 && Number.isFinite(base))) throw new ConfigError(`attention: rotary.base is ${base}, expected a positive number. 10000 is the published one.`);
  return { base, width, interleaved };
}

/**
 * One step of causal attention, for streaming. The same kernel as the whole sequence with L = 1.
 *
 * @param state - `keys`, `values` and `position` as `attention` returns them. Not disposed here.
 * @param q - Shape [B, H, K].
 * @param k - Shape [B, G, K].
 * @param v - Shape [B, G, V].
 * @param options - `window`, `scale` and `rotary` as in `attention`.
 * @returns `output` [B, H, V] and the next `state`. The caller disposes all of them.
 * @throws ShapeError, ConfigError, StateError, BackendError as `attention`.
 * @example
 * const state = { keys: tf.zeros([1, 4, 1, 1]), values: tf.tensor([1, 0, 0, 0], [1, 4, 1, 1]), position: tf.tensor1d([1], 'int32') };
 * attentionStep(state, tf.zeros([1, 1, 1]), tf.zeros([1, 1, 1]), tf.tensor([3], [1, 1, 1])).output.arraySync(); // [[[2]]]
 */
export function attentionStep(state: AttentionState, q: Tensor, k: Tensor, v: Tensor, options: AttentionStepOptions = {}): { readonly output: Tensor; readonly state: AttentionState } {
  for (const [name, tensor] of Object.entries({ q, k, v })) checkRank('attentionStep', name, tensor, 3, '[B, H, K]', 'Pass one step of each sequence, without the L axis.');
  return tf.tidy(() => {
    const { window, scale, rotary } = options;
    const result = attention(tf.expandDims(q, 1), tf.expandDims(k, 1), tf.expandDims(v, 1), { window, scale, rotary, state });
    return { output: tf.squeeze(result.output, [1]), state: result.state! };
  });
}
