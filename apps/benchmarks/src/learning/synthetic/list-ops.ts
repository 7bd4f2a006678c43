import type { Random } from '@mamba360/ssm/random';
import { atLastStep } from '../suite/task.ts';
import type { TaskBatch } from '../suite/task.ts';

/** Tokens: padding 0, the digits 1 to 10, the operators 11 to 14, the closing bracket 15. */
export const LIST_OPS_VOCABULARY = 16;
const DIGIT = 1;
export const LIST_OPS = ['MIN', 'MAX', 'MED', 'SM'] as const;
const OPERATOR = 11;
const CLOSE = 15;

export interface ListOpsOptions {
  readonly maximumDepth: number;
  readonly maximumArguments: number;
  /** Lengths lie strictly between these. */
  readonly minimumLength: number;
  readonly maximumLength: number;
}

/** The published sizes of the Long Range Arena. */
export const LIST_OPS_FULL: ListOpsOptions = { maximumDepth: 10, maximumArguments: 10, minimumLength: 500, maximumLength: 2000 };
/** For a CPU. */
export const LIST_OPS_SHORT: ListOpsOptions = { maximumDepth: 5, maximumArguments: 10, minimumLength: 20, maximumLength: 201 };

/** Value of an operator: the median of an even number is the middle of the two, rounded down. */
export function applyListOp(operator: (typeof LIST_OPS)[number], values: readonly number[]): number {
  switch (operator) {
    case 'MIN': return Math.min(...values);
    case 'MAX': return Math.max(...values);
    case 'SM': return values.reduce((a, b) => a + b, 0) % 10;
    default: {
      const sorted = [...values].sort((a, b) => a - b);
      const half = sorted.length >> 1;
      return sorted.length % 2 === 1 ? sorted[half]! : Math.floor((sorted[half - 1]! + sorted[half]!) / 2);
    }
  }
}

/** Writes a random node; undefined when it grows too long, so that the caller draws another. */
function node(random: Random, depth: number, options: ListOpsOptions, tokens: number[]): number | undefined {
  const operator = depth < options.maximumDepth && random.next() <= 0.25;
  if (!operator) {
    const digit = random.integer(10);
    tokens.push(DIGIT + digit);
    return digit;
  }
  const kind = random.integer(LIST_OPS.length);
  tokens.push(OPERATOR + kind);
  const count = 2 + random.integer(options.maximumArguments - 1);
  const values: number[] = [];
  for (let index = 0; index < count; index++) {
    if (tokens.length >= options.maximumLength) return undefined;
    const value = node(random, depth + 1, options, tokens);
    if (value === undefined) return undefined;
    values.push(value);
  }
  tokens.push(CLOSE);
  return applyListOp(LIST_OPS[kind]!, values);
}

/**
 * One expression by the published rules: a node is an operator with probability 1/4 and a digit else, always a digit at the depth limit; 2 to
 * `maximumArguments` arguments; lengths outside the bounds are drawn again.
 *
 * @see Tay et al. 2020, arXiv 2011.04006; google-research/long-range-arena, lra_benchmarks/data/listops.py. Without the round brackets, which its reader drops.
 */
export function listOpsExample(random: Random, options: ListOpsOptions): { tokens: Int32Array; value: number } {
  for (;;) {
    const tokens: number[] = [];
    const value = node(random, 1, options, tokens);
    if (value !== undefined && tokens.length > options.minimumLength && tokens.length < options.maximumLength) return { tokens: Int32Array.from(tokens), value };
  }
}

/** Text of tokens, as the published files spell them. */
export const listOpsText = (tokens: Iterable<number>): string =>
  [...tokens].filter((token) => token > 0).map((token) => (token === CLOSE ? ']' : token >= OPERATOR ? `[${LIST_OPS[token - OPERATOR]}` : String(token - DIGIT))).join(' ');

/** Expressions of one batch, padded on the right; the value is asked at the last token. */
export function listOpsBatch(random: Random, batch: number, options: ListOpsOptions): TaskBatch {
  const examples = Array.from({ length: batch }, () => listOpsExample(random, options));
  return padded(examples.map(({ tokens }) => tokens), examples.map(({ value }) => value));
}

/** Rows of different lengths as one batch. */
export function padded(rows: readonly Int32Array[], classes: readonly number[]): TaskBatch {
  const length = Math.max(...rows.map((row) => row.length));
  const inputs = new Int32Array(rows.length * length);
  rows.forEach((row, index) => inputs.set(row, index * length));
  const lengths = Int32Array.from(rows, (row) => row.length);
  return { batch: rows.length, length, inputs, targets: atLastStep(classes, length, lengths), lengths };
}
