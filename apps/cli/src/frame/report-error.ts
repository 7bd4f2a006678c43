import { SsmError } from '@mamba360/ssm/errors';
import type { ErrorCode } from '@mamba360/ssm/errors';

/** What the user gave cannot be used: exit code 2. Everything else that fails is 1, a stop by signal 130. */
const BAD_INPUT: ReadonlySet<ErrorCode> = new Set(['shape', 'config', 'backend', 'state', 'data', 'file', 'dependency']);

export interface ErrorReport {
  readonly code: string;
  readonly message: string;
  readonly exitCode: number;
}

/** One paragraph and an exit code for anything thrown; the stack is printed only with MAMBA360_DEBUG=1. */
export function reportError(error: unknown, debug: boolean): ErrorReport {
  const stack = debug && error instanceof Error ? `\n${error.stack ?? ''}` : '';
  if (SsmError.isInstance(error)) {
    const exitCode = error.code === 'aborted' ? 130 : BAD_INPUT.has(error.code) ? 2 : 1;
    return { code: error.code, message: oneParagraph(error.message) + stack, exitCode };
  }
  if (isCittyError(error)) return { code: 'config', message: oneParagraph(error.message) + stack, exitCode: 2 };
  const message = error instanceof Error ? error.message : String(error);
  const hint = debug ? '' : ' This is a defect of mamba360; MAMBA360_DEBUG=1 shows the stack for a report.';
  return { code: 'unexpected', message: `Unexpected: ${oneParagraph(message)}${hint}${stack}`, exitCode: 1 };
}

/** citty's own complaint, such as a missing argument. Its class is not exported. */
const isCittyError = (error: unknown): error is Error => error instanceof Error && error.name === 'CLIError';

// citty colours option names; a message is plain text.
// oxlint-disable-next-line no-control-regex
const COLOUR = /\u001B\[\d+m/g;

const oneParagraph = (text: string): string =>
  text
    .replace(COLOUR, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim();
