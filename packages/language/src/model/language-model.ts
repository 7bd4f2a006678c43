import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import type { ModelSource } from '@mamba360/ssm/checkpoints';
import { ConfigError } from '@mamba360/ssm/errors';
import { disposeState, keepState } from '@mamba360/ssm/layers';
import type { State } from '@mamba360/ssm/layers';
import { languageModelFrom } from '@mamba360/ssm/models';
import type { TokenModel } from '@mamba360/ssm/models';
import { throwIfAborted, yieldToEventLoop } from '@mamba360/ssm/training';
import { checkSampling } from '../sampling/index.ts';
import type { Tokenizer } from '../tokenizers/index.ts';
import { ensureBackend } from './ensure-backend.ts';
import { generateTokens, readTokens } from './generation.ts';
import type { Position } from './generation.ts';
import { loadFolder } from './load-folder.ts';
import { rowText } from './row-text.ts';
import { Session } from './session.ts';
import type { Generated, GenerateOptions, Score, TextEvent } from './text-options.ts';

/** Steps scored at once: bounds the memory of the logits for any length of text. */
const SCORED_STEPS = 256;

export interface LanguageModelOptions {
  /** Default: the folder's tokenizer.json, else bytes where the vocabulary has about 256 entries. */
  readonly tokenizer?: Tokenizer | undefined;
  /** Ids that end a text. Default: `eos_token_id` of the folder. */
  readonly endTokens?: readonly number[] | undefined;
}

/**
 * A language model with constant-cost state: read, generate, score, embed.
 *
 * @remarks Reads folders in the layout of transformers (Mamba, Falcon-Mamba, Mamba-2, RWKV-4) and of mamba_ssm. Runs on tfjs, float32. Cost a token and size of the state do
 * not depend on how much was read before.
 * @example
 * const model = await LanguageModel.load('mamba-130m-hf');
 * const { text } = await model.generate('Once', { maxNewTokens: 64, temperature: 0.8, seed: 3 });
 */
export class LanguageModel {
  readonly backbone: TokenModel;
  readonly tokenizer: Tokenizer | null;
  readonly endTokens: readonly number[];

  /** @param backbone - A model over tokens, such as a `Backbone` with a vocabulary or an `Rwkv`; the model owns it from now on. */
  constructor(backbone: TokenModel, options: LanguageModelOptions = {}) {
    if (backbone.config.vocabSize === null) throw new ConfigError('LanguageModel: the backbone reads numbers, expected one over tokens. Give it a vocabSize.');
    this.backbone = backbone;
    this.tokenizer = options.tokenizer ?? null;
    this.endTokens = options.endTokens ?? [];
  }

  /**
   * @param source - A folder with config.json, model.safetensors (or its shards with their index) and, for text, tokenizer.json; or its files in memory.
   * @throws FileError for a damaged or missing file, ConfigError for a model that is not read here, both before memory is taken for weights.
   */
  static async load(source: ModelSource, options: LanguageModelOptions = {}): Promise<LanguageModel> {
    await ensureBackend();
    const { config, tensors, tokenizer, endTokens } = await loadFolder(source);
    return new LanguageModel(languageModelFrom(tensors, config), { tokenizer: options.tokenizer ?? tokenizer ?? undefined, endTokens: options.endTokens ?? endTokens });
  }

  /** @throws ConfigError where the folder had no tokenizer: give token ids instead. */
  encode(text: string): number[] {
    return this.#words().encode(text);
  }

  /** Continues one text or several; a row's result does not depend on its neighbours. */
  generate(prompt: string | readonly number[], options?: GenerateOptions): Promise<Generated>;
  generate(prompts: readonly string[], options?: GenerateOptions): Promise<Generated[]>;
  async generate(prompt: string | readonly string[] | readonly number[], options: GenerateOptions = {}): Promise<Generated | Generated[]> {
    await ensureBackend();
    checkSampling(options);
    const many = Array.isArray(prompt) && typeof prompt[0] === 'string';
    const rows = (many ? prompt as string[] : [prompt as string | number[]]).map((one) => (typeof one === 'string' ? this.encode(one) : one));
    const results = await this.#collect(await readTokens(this.backbone, rows, null, options.signal), rows, options);
    return many ? results : results[0]!;
  }

  /** The same for one text, piece by piece: text-start, text-delta ..., text-end. */
  async* stream(prompt: string | readonly number[], options: GenerateOptions = {}): AsyncGenerator<TextEvent, void, void> {
    await ensureBackend();
    checkSampling(options);
    const ids = typeof prompt === 'string' ? this.encode(prompt) : prompt;
    yield* this.continueFrom(await readTokens(this.backbone, [ids], null, options.signal), options, ids);
  }

  /** As `stream`, from a position, which is disposed at the end. For sessions. */
  async* continueFrom(position: Position, options: GenerateOptions, seen: readonly number[] = []): AsyncGenerator<TextEvent, void, void> {
    checkSampling(options);
    const row = rowText(this.tokenizer, this.#stops(options));
    yield { type: 'text-start' };
    for await (const steps of generateTokens(this.backbone, position, [seen], this.#withEnds(options), () => row.stopped)) {
      for (const step of steps) {
        const text = row.push(step);
        if (text !== '') yield { type: 'text-delta', text };
      }
    }
    const rest = row.end();
    if (rest !== '') yield { type: 'text-delta', text: rest };
    yield { type: 'text-end', finishReason: row.finishReason, tokens: row.tokens, logProbabilities: row.logProbabilities };
  }

  /** An empty session. */
  session(): Session {
    return new Session(this);
  }

  /**
   * How likely the model finds a text, chunk by chunk with the state carried: any length in constant memory.
   *
   * @param text - Text, or ids. At least two tokens.
   */
  async score(text: string | readonly number[], options: { readonly signal?: AbortSignal } = {}): Promise<Score> {
    await ensureBackend();
    const ids = typeof text === 'string' ? this.encode(text) : text;
    if (ids.length < 2) throw new ConfigError(`score: the text has ${ids.length} tokens, expected at least two: the first one has nothing before it.`);
    const perToken = new Float32Array(ids.length - 1);
    let state: State | null = null;
    for (let start = 0; start < perToken.length; start += SCORED_STEPS) {
      throwIfAborted(options.signal);
      const count = Math.min(SCORED_STEPS, perToken.length - start), before: State | null = state;
      const next = tf.tidy(() => {
        const { output, state: after } = this.backbone.apply(tf.tensor([...ids.slice(start, start + count)], [1, count], 'int32'), before ? { state: before } : {});
        const logits = this.#withoutPadding(tf.squeeze(output, [0])), width = logits.shape[1]!;
        const places = tf.tensor1d(ids.slice(start + 1, start + 1 + count).map((id, row) => row * width + id), 'int32');
        return { state: keepState(after), picked: tf.keep(tf.sub(tf.gather(tf.reshape(logits, [-1]), places), tf.logSumExp(logits, -1))) };
      });
      perToken.set(await next.picked.data() as Float32Array, start);
      next.picked.dispose();
      if (before) disposeState(before);
      ({ state } = next);
      await yieldToEventLoop();
    }
    if (state) disposeState(state);
    const logLikelihood = perToken.reduce((sum, value) => sum + value, 0);
    const bytes = new TextEncoder().encode(this.tokenizer ? this.tokenizer.decode([...ids.slice(1)]) : '').length;
    return { logLikelihood, perToken, perplexity: Math.exp(-logLikelihood / perToken.length), bitsPerByte: bytes > 0 ? -logLikelihood / Math.LN2 / bytes : Number.NaN };
  }

  /** One vector of width dModel a text: the mean, or the last step, of what stands before the head. */
  async embed(texts: readonly string[], options: { readonly pooling?: 'mean' | 'last'; readonly signal?: AbortSignal } = {}): Promise<Float32Array[]> {
    await ensureBackend();
    const { pooling = 'mean' } = options, vectors: Float32Array[] = [];
    for (const text of texts) {
      throwIfAborted(options.signal);
      const ids = this.encode(text);
      if (ids.length === 0) throw new ConfigError('embed: a text has no tokens, expected at least one.');
      let vector: Tensor | undefined;
      tf.tidy(() => {
        this.backbone.apply(tf.tensor([ids], undefined, 'int32'), { observe: (name, hidden) => {
          if (name !== 'norm_f') return;
          const rows = tf.squeeze(hidden, [0]);
          vector = tf.keep(pooling === 'mean' ? tf.mean(rows, 0) : tf.squeeze(tf.slice(rows, [ids.length - 1, 0], [1, -1]), [0]));
        } });
      });
      vectors.push(await vector!.data() as Float32Array);
      vector!.dispose();
      await yieldToEventLoop();
    }
    return vectors;
  }

  dispose(): void { this.backbone.dispose(); }
  [Symbol.dispose](): void { this.dispose(); }

  async #collect(position: Position, rows: readonly (readonly number[])[], options: GenerateOptions): Promise<Generated[]> {
    const stops = this.#stops(options), texts = rows.map(() => ''), parts = rows.map(() => rowText(this.tokenizer, stops));
    for await (const steps of generateTokens(this.backbone, position, rows, this.#withEnds(options), (row) => parts[row]!.stopped)) {
      for (const step of steps) texts[step.row] += parts[step.row]!.push(step);
    }
    return parts.map((part, row) => ({ text: texts[row]! + part.end(), tokens: part.tokens, finishReason: part.finishReason, logProbabilities: part.logProbabilities }));
  }

  #withEnds(options: GenerateOptions): GenerateOptions {
    return { ...options, endTokens: options.endTokens ?? this.endTokens };
  }

  #stops(options: GenerateOptions): readonly string[] {
    const stops = options.stop ?? [];
    if (stops.length > 0) this.#words();
    return stops;
  }

  #withoutPadding(logits: Tensor): Tensor {
    return tf.slice(logits, [0, 0], [-1, this.backbone.config.vocabSize!]);
  }

  #words(): Tokenizer {
    if (!this.tokenizer) throw new ConfigError('LanguageModel: the model has no tokenizer, so it cannot read text. Put tokenizer.json into its folder, pass a tokenizer to load, or give token ids.');
    return this.tokenizer;
  }
}
