import { readFileSync } from 'node:fs';
import type { CommandDef } from 'citty';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };

const lazy = (load: () => Promise<{ command: CommandDef }>) => async (): Promise<CommandDef> => (await load()).command;

const group = (name: string, description: string, subCommands: Record<string, () => Promise<CommandDef>>): (() => CommandDef) => {
  return () => ({ meta: { name: `mamba360 ${name}`, description }, subCommands });
};

/** The whole command line; a verb's module is imported when it is chosen. */
export const commands: CommandDef = {
  meta: { name: 'mamba360', version, description: 'State space models for JavaScript' },
  subCommands: {
  },
};
