import { tf } from '@mamba360/ssm/backend';
import { ConfigError, StateError } from '@mamba360/ssm/errors';
import { cloneState, loadState, saveState } from '@mamba360/ssm/layers';
import type { State, StateOwner } from '@mamba360/ssm/layers';
import type { TokenModel } from '@mamba360/ssm/models';
import { ensureBackend } from './ensure-backend.ts';
import { disposePosition, readTokens } from './generation.ts';
import type { Position } from './generation.ts';
import type { LanguageModel } from './language-model.ts';
import type { GenerateOptions, Generated, TextEvent } from './text-options.ts';

/** What a session file is bound to: the model, and beside its state the logits of the next token. */
const ownerOf = (model: TokenModel): StateOwner => ({
  kind: 'language-session', config: model.config, parameters: model.parameters,
  stateSpec: (batch) => ({ model: model.stateSpec(batch), logits: [batch, model.outputSize] }),
});

/**
 * A text that a model has read so far, as a state of fixed size: append to it, generate from it, fork it, save it, come back to it.
 *
 * @remarks No token is read twice. Not for use by two callers at once; `clone` for each.
 * @example
 * const session = model.session();
 * await session.append('Once upon a time');
 * const fork = session.clone();
 * const { text } = await session.generate({ maxNewTokens: 20 });
 */
export class Session {
  readonly #model: LanguageModel;
  #position: Position | null;

  constructor(model: LanguageModel, position: Position | null = null) {
    this.#model = model;
    this.#position = position;
  }

  /** Reads a text or token ids behind what was read so far. */
  async append(text: string | readonly number[], options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await ensureBackend();
    const ids = typeof text === 'string' ? this.#model.encode(text) : text;
    if (ids.length === 0) return;
    const next = await readTokens(this.#model.backbone, [ids], this.#position?.state ?? null, options.signal);
    if (this.#position) disposePosition(this.#position);
    this.#position = next;
  }

  /** Generates a continuation and keeps it: the session then stands behind it. */
  async generate(options: GenerateOptions = {}): Promise<Generated> {
    let text = '', end: Extract<TextEvent, { type: 'text-end' }> | undefined;
    for await (const event of this.stream(options)) {
      if (event.type === 'text-delta') text += event.text;
      if (event.type === 'text-end') end = event;
    }
    const { tokens, finishReason, logProbabilities } = end!;
    return { text, tokens, finishReason, logProbabilities };
  }

  /** The same, piece by piece. */
  async* stream(options: GenerateOptions = {}): AsyncGenerator<TextEvent, void, void> {
    if (!this.#position) throw new ConfigError('session: nothing was read yet, so there is nothing to continue. Call append(text) first.');
    let tokens: readonly number[] = [];
    for await (const event of this.#model.continueFrom(copyOf(this.#position), options)) {
      if (event.type === 'text-end') tokens = event.tokens;
      yield event;
    }
    // Only now, so that a caller who leaves early leaves the session where it was.
    await this.append(tokens, options.signal ? { signal: options.signal } : {});
  }

  /** An independent session at the same place: a few kilobytes, whatever the text's length. */
  clone(): Session {
    return new Session(this.#model, this.#position && copyOf(this.#position));
  }

  /** A file of the state's size, bound to model and weights. */
  async save(): Promise<Uint8Array> {
    if (!this.#position) throw new StateError('session.save: nothing was read yet, so there is no state. Call append(text) first.');
    return saveState({ model: this.#position.state, logits: this.#position.logits }, ownerOf(this.#model.backbone));
  }

  /** @throws StateError if the file belongs to another model; FileError if it is damaged. */
  static async load(model: LanguageModel, file: Uint8Array): Promise<Session> {
    const { model: state, logits } = await loadState<{ model: State; logits: Position['logits'] }>(file, ownerOf(model.backbone));
    return new Session(model, { state, logits });
  }

  dispose(): void {
    if (this.#position) disposePosition(this.#position);
    this.#position = null;
  }
  [Symbol.dispose](): void { this.dispose(); }
}

const copyOf = ({ state, logits }: Position): Position => ({ state: cloneState(state), logits: tf.clone(logits) });
