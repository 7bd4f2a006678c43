import type { CommandDef } from 'citty';
import { version } from './version.ts';

const lazy = (load: () => Promise<{ command: CommandDef }>) => async (): Promise<CommandDef> => (await load()).command;

const group = (name: string, description: string, subCommands: Record<string, () => Promise<CommandDef>>) => (): CommandDef => ({
  meta: { name: `mamba360 ${name}`, description },
  subCommands,
});

/** The whole command line; a verb's module is imported when it is chosen. */
export const commands: CommandDef = {
  meta: { name: 'mamba360', version, description: 'State space models for JavaScript' },
  subCommands: {
    forecast: lazy(() => import('./time-series/verb.ts')),
    'time-series': group('time-series', 'Forecasts of time series', { forecast: lazy(() => import('./time-series/verb.ts')) }),
    language: group('language', 'Language models', { generate: lazy(() => import('./language/generate-verb.ts')), score: lazy(() => import('./language/score-verb.ts')) }),
    doctor: lazy(() => import('./verbs/doctor.ts')),
    kernels: group('kernels', 'Compiled kernels of this machine', { build: lazy(() => import('./verbs/kernels-build.ts')) }),
    verify: lazy(() => import('./verbs/verify.ts')),
    survey: lazy(() => import('./verbs/survey.ts')),
    bench: lazy(() => import('./verbs/bench.ts')),
  },
};
