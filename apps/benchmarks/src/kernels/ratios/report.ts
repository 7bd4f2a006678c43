import type { Size } from '../operations/index.ts';
import type { Ceilings } from './ceilings.ts';

/** One length of one op. Times are medians; null where a form was not measured because it would have taken too long. */
export interface LengthResult extends Size {
  readonly kernelMilliseconds: number;
  readonly nanosecondsPerElement: number;
  /** (a) The plain JavaScript loop. */
  readonly naiveMilliseconds: number | null;
  /** (b) Our op and the same composed of tfjs' ops, both under tfjs. */
  readonly fusedMilliseconds: number | null;
  readonly composedMilliseconds: number | null;
  readonly ratios: {
    readonly naive: number | null;
    readonly composed: number | null;
    /** (c) Others of equal width over this op's kernel. */
    readonly fusedLstm: number | null;
    readonly tfLstm: number | null;
    readonly attention: number | null;
  };
}

export interface OperationResult {
  readonly name: string;
  readonly kind: string;
  readonly settings: string;
  readonly lengths: readonly LengthResult[];
  /** Fitted exponent of L in the kernel's time, over all lengths and over those of at least 4,096 steps. */
  readonly growthExponent: number | null;
  readonly growthExponentLong: number | null;
  /** (d) Loops of the same process in turns with the longest call, and what the op reaches of them. */
  readonly ceilings: Ceilings & { readonly mix: string };
  readonly shares: { readonly bytes: number; readonly flops: number; readonly exponentials: number };
  /** The largest of the shares by name: what holds the op up. */
  readonly bound: 'bytes' | 'flops' | 'exponentials';
}

export interface ComparisonResult {
  readonly L: number;
  readonly fusedLstm: number | null;
  readonly tfLstm: number | null;
  readonly attention: number | null;
}

export interface RatioReport {
  readonly machine: string;
  readonly processors: number;
  readonly node: string;
  readonly target: string;
  readonly instructionSet: string;
  readonly threads: number;
  readonly backend: string;
  readonly width: number;
  readonly quick: boolean;
  readonly seconds: number;
  readonly comparisons: { readonly lengths: readonly ComparisonResult[]; readonly growthExponents: Readonly<Record<'fusedLstm' | 'tfLstm' | 'attention', number | null>>; readonly attentionForm: string };
  readonly operations: readonly OperationResult[];
  /** Ops that are not reported, with the reason: red tests, or a naive or composed form that does not agree. */
  readonly refused: readonly { readonly name: string; readonly reason: string }[];
}
