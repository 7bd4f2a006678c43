/** Comparison of one tensor of one case. */
export interface VerifyTensor {
  readonly name: string;
  readonly absolute: number;
  /** absolute / max(max|expected|, 1e-3); what is held against `bound`. Not a number where NaN or infinity met a number. */
  readonly relative: number;
  readonly bound: number;
  /** Whether the case's own suggestion, max|a - b| <= atol + rtol max|b|, is met; null where it makes none. It does not decide. */
  readonly suggested: boolean | null;
}

export type VerifyStatus = 'pass' | 'fail' | 'unsupported';

export interface VerifyCase {
  readonly family: string;
  readonly case: string;
  readonly backend: string;
  readonly status: VerifyStatus;
  /** The tensor that comes closest to its bound, or misses it furthest; nulls where nothing was compared or its error is not a number. */
  readonly worst: { readonly tensor: string | null; readonly error: number | null };
  readonly tensors?: readonly VerifyTensor[];
  /** Why a case failed or is unsupported. */
  readonly reason?: string;
}

export interface VerifySummary {
  readonly pass: number;
  readonly fail: number;
  readonly unsupported: number;
  readonly backends: readonly { readonly name: string; readonly target: string; readonly instructionSet: string }[];
  readonly skippedBackends: readonly { readonly name: string; readonly reason: string }[];
}

export interface VerifyReport { readonly cases: readonly VerifyCase[]; readonly summary: VerifySummary }
