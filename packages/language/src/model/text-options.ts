import type { FinishReason, GenerationOptions } from './generation.ts';

export interface GenerateOptions extends GenerationOptions {
  /** Texts that end the generation; they are not part of its text. Default: none. */
  readonly stop?: readonly string[] | undefined;
}

export interface Generated {
  readonly text: string;
  /** Generated ids; a stop string's tokens are among them, an end token is not. */
  readonly tokens: readonly number[];
  readonly finishReason: FinishReason;
  /** Natural logarithm of each token's probability under the model. */
  readonly logProbabilities: readonly number[];
}

export type TextEvent =
  | { readonly type: 'text-start' }
  | { readonly type: 'text-delta'; readonly text: string }
  | { readonly type: 'text-end'; readonly finishReason: FinishReason; readonly tokens: readonly number[]; readonly logProbabilities: readonly number[] };

export interface Score {
  /** Sum of `perToken`, in nats. */
  readonly logLikelihood: number;
  /** Log-probability of each token given those before it; the first token has none. */
  readonly perToken: Float32Array;
  /** exp(-mean of perToken), per token of this model's tokenizer. */
  readonly perplexity: number;
  /** Bits per byte of the text that was scored (without the first token's bytes where a text was given as text). */
  readonly bitsPerByte: number;
}
