/**
 * Places of the fields of `call_t` and `plan_t` (kernels/abi.h) in a 32-bit WebAssembly memory, in bytes.
 */
export const CALL = { inputs: 0, outputs: 112, integers: 192, scalars: 256, size: 384 } as const;
export const PLAN = { workspaceBytes: 0, scratchBytes: 8, phases: 16, tasks: 20, size: 48 } as const;

/** What a call needs, as the kernels' `plan` function says. */
export interface Plan {
  readonly workspaceBytes: number;
  readonly scratchBytes: number;
  /** Tasks of each phase. */
  readonly tasks: readonly number[];
}
