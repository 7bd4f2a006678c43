import { watchFor } from '../sampling/index.ts';
import type { Sampled } from '../sampling/index.ts';
import type { Tokenizer } from '../tokenizers/index.ts';
import type { FinishReason, GeneratedStep } from './generation.ts';

/** What becomes of one row's tokens: text as far as it is certain, ids, log-probabilities, and why it ended. */
export interface RowText {
  readonly tokens: number[];
  readonly logProbabilities: number[];
  readonly stopped: boolean;
  readonly finishReason: FinishReason;
  /** Takes a step in; returns the text that is certain now. */
  push(step: GeneratedStep): string;
  /** What was held back, at the end. */
  end(): string;
}

export function rowText(tokenizer: Tokenizer | null, stops: readonly string[]): RowText {
  const decoder = tokenizer?.decoder(), watch = watchFor(stops);
  const tokens: number[] = [], logProbabilities: number[] = [];
  let stopped = false, finish: FinishReason = 'length';
  const take = ({ token, logProbability }: Sampled): string => {
    tokens.push(token);
    logProbabilities.push(logProbability);
    const piece = watch.push(decoder?.push(token) ?? '');
    ({ stopped } = piece);
    return piece.text;
  };
  return {
    tokens,
    logProbabilities,
    get stopped() { return stopped; },
    get finishReason() { return stopped ? 'stop' : finish; },
    push(step) {
      finish = step.finish ?? finish;
      return step.sampled ? take(step.sampled) : '';
    },
    end: () => (stopped ? '' : watch.push(decoder?.end() ?? '').text + watch.end()),
  };
}
