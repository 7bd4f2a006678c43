import { ConfigError } from '@mamba360/ssm/errors';
import type { Random } from '@mamba360/ssm/random';

/** How the next token is picked from the logits. Applied in this order: bias, penalty, temperature, top-k, top-p, min-p. */
export interface SamplingOptions {
  /** 0 takes the likeliest token. Default 1. */
  readonly temperature?: number | undefined;
  /** Only the k likeliest; 0 = all. Default 0. */
  readonly topK?: number | undefined;
  /** Only the likeliest that together reach this probability, in (0, 1]. Default 1. */
  readonly topP?: number | undefined;
  /** Only tokens at least this share as likely as the likeliest, in [0, 1). Default 0. */
  readonly minP?: number | undefined;
  /** Above 1: logits of tokens that occurred are divided (positive) or multiplied (negative) by it. Default 1. */
  readonly repetitionPenalty?: number | undefined;
  /** Added to the logits of single ids; -Infinity forbids one. */
  readonly logitBias?: Readonly<Record<number, number>> | undefined;
}

/** @throws ConfigError naming the option, its value and what is allowed. */
export function checkSampling(options: SamplingOptions): void {
  const { temperature = 1, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1 } = options;
  const refuse = (name: string, value: number, allowed: string): never => { throw new ConfigError(`sampling: ${name} is ${value}, expected ${allowed}.`); };
  if (!(temperature >= 0 && temperature < Infinity)) refuse('temperature', temperature, 'a number of at least 0');
  if (!Number.isInteger(topK) || topK < 0) refuse('topK', topK, 'a whole number of at least 0 (0: all)');
  if (!(topP > 0 && topP <= 1)) refuse('topP', topP, 'more than 0 and at most 1');
  if (!(minP >= 0 && minP < 1)) refuse('minP', minP, 'at least 0 and below 1');
  if (!(repetitionPenalty > 0 && repetitionPenalty < Infinity)) refuse('repetitionPenalty', repetitionPenalty, 'a number above 0');
}

export interface Sampled {
  readonly token: number;
  /** Natural logarithm of the token's probability under the model itself: before bias, penalty, temperature and cuts. */
  readonly logProbability: number;
}

function logSumExp(values: ArrayLike<number>): number {
  let most = -Infinity, sum = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, values[i]!);
  for (let i = 0; i < values.length; i++) sum += Math.exp(values[i]! - most);
  return most + Math.log(sum);
}

function adjusted(logits: Float32Array, options: SamplingOptions, seen: Iterable<number>): Float64Array {
  const values = Float64Array.from(logits);
  for (const [id, bias] of Object.entries(options.logitBias ?? {})) if (Number(id) < values.length) values[Number(id)]! += bias;
  const penalty = options.repetitionPenalty ?? 1;
  if (penalty !== 1) for (const id of new Set(seen)) if (id < values.length) values[id] = values[id]! > 0 ? values[id]! / penalty : values[id]! * penalty;
  return values;
}

/**
 * Picks a token.
 *
 * @param logits - One row, [vocabSize]. Not changed.
 * @param seen - Ids the repetition penalty counts: prompt and what was generated.
 */
export function sample(logits: Float32Array, options: SamplingOptions, random: Random, seen: Iterable<number> = []): Sampled {
  const { temperature = 1, topK = 0, topP = 1, minP = 0 } = options;
  const values = adjusted(logits, options, seen);
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]! || Number.isNaN(values[best]!)) best = i;
  if (!(values[best]! > -Infinity)) throw new ConfigError(`sampling: no token is left to choose from (the largest logit is ${values[best]}). Forbid fewer tokens in logitBias, or look for NaN in the weights.`);
  const result = (token: number): Sampled => ({ token, logProbability: logits[token]! - logSumExp(logits) });
  if (temperature === 0) return result(best);
  const peak = values[best]!;
  let order = Array.from(values.keys()).filter((id) => values[id]! > -Infinity);
  if (topK > 0 || topP < 1) order.sort((a, b) => values[b]! - values[a]! || a - b);
  if (topK > 0) order = order.slice(0, topK);
  const weights = order.map((id) => Math.exp((values[id]! - peak) / temperature));
  let kept = weights.length;
  if (topP < 1) {
    const whole = weights.reduce((sum, weight) => sum + weight, 0);
    let sum = 0;
    for (kept = 0; kept < weights.length && sum < topP * whole; kept++) sum += weights[kept]!;
  }
  const allowed = order.slice(0, kept).map((id, i) => ({ id, weight: weights[i]! })).filter(({ weight }) => weight >= minP);
  let rest = random.next() * allowed.reduce((sum, { weight }) => sum + weight, 0);
  for (const { id, weight } of allowed) {
    rest -= weight;
    if (rest < 0) return result(id);
  }
  return result(allowed.at(-1)!.id);
}
