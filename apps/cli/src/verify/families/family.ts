import type { GoldenCase, GoldenDescription } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';

/** How one golden family maps to what this project has. One file per family. */
export interface Family {
  readonly name: string;
  /** null where the case can be run, else why not. */
  unsupported(description: GoldenDescription): string | null;
  /** How far the reference's own forms of one output are apart, relative, where they differ by more than rounding. Counts like the gap that a case may state. */
  gap?(golden: GoldenCase, name: string): number;
  /** Runs the case on the active backend, inside a tidy of the caller. Throws an Error for a case that contradicts itself. */
  run(golden: GoldenCase): CaseOutputs;
}
