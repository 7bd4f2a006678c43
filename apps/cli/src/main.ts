#!/usr/bin/env node
import { commands } from './commands.ts';
import { runCommandLine } from './frame/command-line.ts';

const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
process.once('SIGTERM', () => stop.abort());
// A reader that has seen enough (`| head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const code = await runCommandLine(
  commands,
  process.argv.slice(2),
  {
    out: (text) => process.stdout.write(text),
    error: (text) => process.stderr.write(text),
    interactive: process.stderr.isTTY === true,
  },
  stop.signal,
);
// Backends keep threads and handles that would hold the process; leave once everything is written.
process.stdout.write('', () => process.exit(code));
