import { ConfigError } from '@mamba360/ssm/errors';
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
};

/**
 * The tasks of a suite.
 *
 * @throws ConfigError for a suite or task that does not exist; FileError where a task's data are not in the folder.
 */
export async function suiteTasks(suite: string, { data, short, names }: SuiteChoice): Promise<LearningTask[]> {
  const tasks = SUITES[suite];
  if (tasks === undefined) throw new ConfigError(`bench: no suite is called ${JSON.stringify(suite)}, expected one of ${Object.keys(SUITES).join(', ')}.`);
  const unknown = names?.filter((name) => !Object.hasOwn(tasks, name)) ?? [];
  if (unknown.length > 0) throw new ConfigError(`bench: the suite ${suite} has no task ${unknown.join(', ')}, expected some of ${Object.keys(tasks).join(', ')}.`);
  return Promise.all((names ?? Object.keys(tasks)).map((name) => tasks[name]!({ data, short })));
}
