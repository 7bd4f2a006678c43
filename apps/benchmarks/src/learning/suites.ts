import { ConfigError, FileError } from '@mamba360/ssm/errors';
import { LONG_RANGE_ARENA } from './long-range-arena/index.ts';
import { SYNTHETIC_TASKS } from './synthetic/index.ts';
import type { LearningTask } from './suite/task.ts';

export interface SuiteChoice {
  /** Folder of data sets. */
  readonly data: string;
  /** Sizes for a CPU, where the suite has two. */
  readonly short: boolean;
  /** Only these tasks. Default: all. */
  readonly names?: readonly string[] | undefined;
}

const SUITES: Readonly<Record<string, Readonly<Record<string, (options: { data: string; short: boolean }) => LearningTask | Promise<LearningTask>>>>> = {
  synthetic: SYNTHETIC_TASKS,
  lra: LONG_RANGE_ARENA,
};

/** Tasks that can be run, and those whose data are not here. */
export interface ChosenTasks { readonly tasks: LearningTask[]; readonly unavailable: { readonly name: string; readonly reason: string }[] }

/**
 * The tasks of a suite.
 *
 * @throws ConfigError for a suite or task that does not exist; FileError where the data of a task asked for by name are not in the folder. Of a whole suite,
 * such tasks are left out and named.
 */
export async function suiteTasks(suite: string, { data, short, names }: SuiteChoice): Promise<ChosenTasks> {
  const tasks = SUITES[suite];
  if (tasks === undefined) throw new ConfigError(`bench: no suite is called ${JSON.stringify(suite)}, expected one of ${Object.keys(SUITES).join(', ')}.`);
  const unknown = names?.filter((name) => !Object.hasOwn(tasks, name)) ?? [];
  if (unknown.length > 0) throw new ConfigError(`bench: the suite ${suite} has no task ${unknown.join(', ')}, expected some of ${Object.keys(tasks).join(', ')}.`);
  const chosen: ChosenTasks = { tasks: [], unavailable: [] };
  for (const name of names ?? Object.keys(tasks)) {
    try {
      chosen.tasks.push(await tasks[name]!({ data, short }));
    } catch (error) {
      if (names !== undefined || !(error instanceof FileError)) throw error;
      chosen.unavailable.push({ name, reason: error.message });
    }
  }
  return chosen;
}
