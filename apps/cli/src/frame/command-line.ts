import { parseArgs, renderUsage } from 'citty';
import type { ArgsDef, CommandDef } from 'citty';
import { checkOptions } from './check-options.ts';
import { suggestion } from './closest.ts';
import { readBackend, readSeed } from './global-options.ts';
import { reportError } from './report-error.ts';
import { UsageError } from './usage-error.ts';
import type { VerbContext, VerbResult } from './verb.ts';

/** Where the command writes; tests pass their own. */
export interface Terminal {
  out(text: string): void;
  error(text: string): void;
  /** Standard error is a terminal, so notes and progress bars make sense. */
  readonly interactive: boolean;
}

interface Resolved {
  readonly command: CommandDef;
  readonly parent: CommandDef | undefined;
  readonly path: string;
  readonly words: string[];
}

/**
 * Runs one command line.
 *
 * @param root - Command tree; sub-commands are functions that import them, so that only the chosen verb is loaded.
 * @param words - Arguments without `node` and the script.
 * @returns the exit code.
 */
export async function runCommandLine(root: CommandDef, words: readonly string[], terminal: Terminal, signal: AbortSignal): Promise<number> {
  const json = words.includes('--json');
  try {
    if (words.length === 1 && words[0] === '--version') {
      terminal.out(`${(await resolve(root.meta))?.version ?? ''}\n`);
      return 0;
    }
    const found = await find(root, words);
    if (words.includes('--help') || words.includes('-h')) {
      terminal.out(`${plainUnlessTerminal(await renderUsage(found.command, found.parent), terminal)}\n`);
      return 0;
    }
    if (found.command.run === undefined)
      throw new UsageError(`${found.path} needs a verb, one of ${(await verbNames(found.command)).join(', ')}. ${found.path} --help describes them.`);
    const result = await runVerb(found, terminal, json, signal);
    if (json) terminal.out(`${JSON.stringify(result.document, jsonNumbers, 2)}\n`);
    else if (result.text !== '') terminal.out(`${result.text.replace(/\n$/, '')}\n`);
    return result.exitCode ?? 0;
  } catch (error) {
    const { code, message, exitCode } = reportError(error, process.env.MAMBA360_DEBUG === '1');
    if (json) terminal.out(`${JSON.stringify({ error: { code, message } }, null, 2)}\n`);
    terminal.error(`${message}\n`);
    return exitCode;
  }
}

async function runVerb({ command, path, words }: Resolved, terminal: Terminal, json: boolean, signal: AbortSignal): Promise<VerbResult> {
  const options = ((await resolve(command.args)) ?? {}) as ArgsDef;
  checkOptions(words, options, path);
  const args = parseArgs(words, options);
  const context: VerbContext = {
    json,
    seed: readSeed(String(args.seed)),
    backend: readBackend(String(args.backend)),
    signal,
    note: (line) => {
      if (terminal.interactive) terminal.error(`${line}\n`);
    },
  };
  return (await command.run!({ args, rawArgs: [...words], cmd: command, data: context })) as VerbResult;
}

/** Walks down the tree by the leading words. */
async function find(root: CommandDef, words: readonly string[]): Promise<Resolved> {
  let command = root;
  let parent: CommandDef | undefined;
  let path = (await resolve(root.meta))?.name ?? '';
  let index = 0;
  for (; index < words.length; index++) {
    const word = words[index]!;
    const subCommands = await resolve(command.subCommands);
    if (subCommands === undefined) break;
    if (word.startsWith('-')) {
      if (['--help', '-h', '--json'].includes(word)) continue;
      throw new UsageError(`${path} needs a verb before ${word}, one of ${(await verbNames(command)).join(', ')}.`);
    }
    if (!Object.hasOwn(subCommands, word)) {
      const names = Object.keys(subCommands);
      throw new UsageError(`${path} has no verb ${JSON.stringify(word)}, only ${names.join(', ')}.${suggestion(word, names, `${path} `)}`);
    }
    parent = command;
    command = (await resolve(subCommands[word])) as CommandDef;
    path = `${path} ${word}`;
  }
  const leading = words.slice(0, index).filter((word) => word === '--json');
  return { command, parent, path, words: [...leading, ...words.slice(index)] };
}

const verbNames = async (command: CommandDef): Promise<string[]> => Object.keys((await resolve(command.subCommands)) ?? {});

async function resolve<T>(value: T | Promise<T> | (() => T) | (() => Promise<T>) | undefined): Promise<T | undefined> {
  return typeof value === 'function' ? await (value as () => T | Promise<T>)() : value;
}

/** JSON has no NaN or infinity; they become null, as `JSON.stringify` does, and typed arrays become arrays. */
function jsonNumbers(_key: string, value: unknown): unknown {
  return ArrayBuffer.isView(value) && !(value instanceof DataView) ? [...(value as unknown as Iterable<unknown>)] : value;
}

// oxlint-disable-next-line no-control-regex
const plainUnlessTerminal = (text: string, terminal: Terminal): string => (terminal.interactive ? text : text.replace(/\u001B\[\d+m/g, ''));
