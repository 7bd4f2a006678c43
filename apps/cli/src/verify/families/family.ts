import type { GoldenCase, GoldenDescription } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';

/** How one golden family maps to what this project has. One file per family. */
export interface Family {
  readonly name: string;
  /** null where the case can be run, else why not. */
  unsupported(description: GoldenDescription): string | null;
  /** Runs the case on the active backend, inside a tidy of the caller. Throws an Error for a case that contradicts itself. */
  run(golden: GoldenCase): CaseOutputs;
}
