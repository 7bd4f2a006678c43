import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { ConfigError, DataError } from '@mamba360/ssm/errors';
import { disposeState, keepState } from '@mamba360/ssm/layers';
import type { State } from '@mamba360/ssm/layers';
import type { TokenModel } from '@mamba360/ssm/models';
import { Random } from '@mamba360/ssm/random';
import { throwIfAborted, yieldToEventLoop } from '@mamba360/ssm/training';
import { sample } from '../sampling/index.ts';
import type { Sampled, SamplingOptions } from '../sampling/index.ts';

/** Steps of a prompt that go through the model at once: bounds the memory of the logits, and the time between two chances to abort. */
const PREFILL_STEPS = 256;

/** State behind every token that was read, and the logits of the next one, [B, vocabSize]. Owned by the holder. */
export interface Position { readonly state: State; readonly logits: Tensor }

export function disposePosition({ state, logits }: Position): void {
  disposeState(state);
  if (!logits.isDisposed) logits.dispose();
}

function checkIds(model: TokenModel, rows: readonly (readonly number[])[]): void {
  const limit = model.config.vocabSize!;
  rows.forEach((row, index) => {
    if (row.length === 0) throw new DataError(`prompt ${index} has no tokens, expected at least one. Begin with a word, or with the model's beginning-of-text token.`);
    const bad = row.find((id) => !Number.isInteger(id) || id < 0 || id >= limit);
    if (bad !== undefined) throw new DataError(`prompt ${index} has token ${bad}, expected whole numbers below ${limit} (vocabSize). Is this the model's own tokenizer?`);
  });
}

/**
 * Reads prompts of any lengths together, each token once.
 *
 * @param from - Where they continue; null: the beginning. Not disposed.
 */
export async function readTokens(model: TokenModel, rows: readonly (readonly number[])[], from: State | null, signal?: AbortSignal): Promise<Position> {
  checkIds(model, rows);
  const longest = Math.max(...rows.map((row) => row.length));
  let state = from, last: Tensor | null = null;
  for (let start = 0; start < longest; start += PREFILL_STEPS) {
    throwIfAborted(signal);
    const steps = Math.min(PREFILL_STEPS, longest - start);
    const counts = rows.map((row) => Math.min(steps, Math.max(0, row.length - start)));
    const ids = rows.flatMap((row) => Array.from({ length: steps }, (_, step) => row[start + step] ?? 0));
    const whole = counts.every((count) => count === steps);
    const before = state, logitsBefore = last;
    const next: Position = tf.tidy(() => {
      const { output, state: after } = model.apply(tf.tensor(ids, [rows.length, steps], 'int32'), { ...(before && { state: before }), ...(!whole && { lengths: counts }) });
      const width = output.shape[2]!;
      // The row of each prompt's last token in this chunk; a prompt that ended in an earlier chunk keeps the logits it had.
      const places = counts.map((count, row) => row * steps + Math.max(0, count - 1));
      const picked = tf.gather(tf.reshape(output, [-1, width]), tf.tensor1d(places, 'int32'));
      const fresh = tf.reshape(tf.tensor1d(counts.map((count) => (count > 0 ? 1 : 0)), 'bool'), [-1, 1]);
      const logits = logitsBefore && !counts.every((count) => count > 0) ? tf.where(fresh, picked, logitsBefore) : picked;
      return { state: keepState(after), logits: tf.keep(logits) };
    });
    if (before && before !== from) disposeState(before);
    logitsBefore?.dispose();
    ({ state, logits: last } = next);
    await yieldToEventLoop();
  }
  return { state: state!, logits: last! };
}

export interface GenerationOptions extends SamplingOptions {
  /** Default 128. */
  readonly maxNewTokens?: number | undefined;
  /** Default 0. Row i of a batch draws from stream i of the seed, so it does not matter who its neighbours are. */
  readonly seed?: number | string | undefined;
  /** Ids that end a row; they are not part of its text. */
  readonly endTokens?: readonly number[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type FinishReason = 'end-token' | 'length' | 'stop';

export interface GeneratedStep {
  readonly row: number;
  /** null where the row ended with this step. */
  readonly sampled: Sampled | null;
  readonly finish: FinishReason | null;
}

/** One step of a position: takes each row's token in. The old position is disposed. */
export function advance(model: TokenModel, position: Position, tokens: ArrayLike<number>): Position {
  const next = tf.tidy(() => {
    const { output, state } = model.step(tf.tensor1d(Int32Array.from(tokens), 'int32'), position.state);
    return { state: keepState(state), logits: tf.keep(output) };
  });
  disposePosition(position);
  return next;
}

/**
 * Tokens of every row, step by step. `position` is disposed at the end, also when the caller leaves early; `after` gets the position behind the last token
 * that was taken in, and owns it.
 */
export async function* generateTokens(model: TokenModel, start: Position, prompts: readonly (readonly number[])[], options: GenerationOptions, stopRow: (row: number) => boolean = () => false): AsyncGenerator<GeneratedStep[], void, void> {
  const { maxNewTokens = 128, seed = 0, endTokens = [], signal } = options;
  if (!Number.isInteger(maxNewTokens) || maxNewTokens < 1) throw new ConfigError(`generate: maxNewTokens is ${maxNewTokens}, expected a whole number of at least 1.`);
  const vocabSize = model.config.vocabSize!;
  const rows = prompts.map((prompt, row) => ({ seen: [...prompt], random: Random.fromSeed(seed).split(row), finished: false }));
  let position = start;
  try {
    for (let step = 0; step < maxNewTokens; step++) {
      throwIfAborted(signal);
      const logits = await position.logits.data() as Float32Array, width = position.logits.shape[1]!;
      const taken = new Int32Array(rows.length), events: GeneratedStep[] = [];
      rows.forEach((one, row) => {
        if (one.finished) return;
        const sampled = sample(logits.subarray(row * width, row * width + vocabSize), options, one.random, one.seen);
        taken[row] = sampled.token;
        const ended = endTokens.includes(sampled.token), last = step === maxNewTokens - 1;
        one.finished = ended || last;
        one.seen.push(sampled.token);
        events.push({ row, sampled: ended ? null : sampled, finish: ended ? 'end-token' : last ? 'length' : null });
      });
      yield events;
      rows.forEach((one, row) => { one.finished ||= stopRow(row); });
      if (rows.every((one) => one.finished)) return;
      position = advance(model, position, taken);
      if (step % 8 === 7) await yieldToEventLoop();
    }
  } finally {
    disposePosition(position);
  }
}
