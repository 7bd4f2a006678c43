import type { ArgsDef, CommandDef, ParsedArgs } from 'citty';
import { GLOBAL_OPTIONS } from './global-options.ts';

/** What a verb hands back: the frame prints `document` with `--json`, else `text`. */
export interface VerbResult {
  readonly document: unknown;
  readonly text: string;
  /** Default 0. 1 = the verb worked and its answer is a failure (a failed case of `verify`). */
  readonly exitCode?: number;
}

/** What a verb may use beside its arguments. */
export interface VerbContext {
  /** `--json`: standard output carries one JSON document. */
  readonly json: boolean;
  /** `--seed`, default 0. */
  readonly seed: number;
  /** `--backend`, default `auto`. */
  readonly backend: string;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
  /** One line to standard error, for work that takes long. Silent when standard error is no terminal. */
  note(line: string): void;
}

export interface VerbDefinition<T extends ArgsDef> {
  readonly name: string;
  readonly description: string;
  readonly options: T;
  run(args: ParsedArgs<T>, context: VerbContext): Promise<VerbResult>;
}

/** A verb as a citty command: its own options and the global ones. */
export function defineVerb<const T extends ArgsDef>({ name, description, options, run }: VerbDefinition<T>): CommandDef {
  return {
    meta: { name, description },
    args: { ...options, ...GLOBAL_OPTIONS },
    run: ({ args, data }) => run(args as unknown as ParsedArgs<T>, data as VerbContext),
  };
}
