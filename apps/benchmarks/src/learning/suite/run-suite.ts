import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '@mamba360/ssm/errors';
import { mixers } from '@mamba360/ssm/models';
import { scoreOf, trainCell, roleOf } from './train-cell.ts';
import type { CellRow } from './train-cell.ts';
import { suiteText, taskVerdict } from './report.ts';
import type { TaskVerdict } from './report.ts';
import type { LearningTask } from './task.ts';

export interface SuiteOptions {
  readonly suite: string;
  readonly tasks: readonly LearningTask[];
  /** In place of the tasks' own models, baselines and controls. */
  readonly mixers?: readonly string[] | undefined;
  readonly seeds: readonly number[];
  readonly minutes: number;
  readonly steps?: number | undefined;
  /** Trainings side by side, each in a process of its own; undefined: one after another in this one. */
  readonly jobs?: number | undefined;
  /** Words of the command that a process of one cell gets beside its task, mixer and seed. */
  readonly words?: readonly string[];
  readonly onProgress?: (line: string) => void;
  /** Also a line for each finished training. Default true. */
  readonly announce?: boolean;
  /** Called whenever a row is finished, so that what is done is not lost. */
  readonly onRows?: (rows: readonly CellRow[]) => Promise<void>;
}

export interface SuiteReport {
  readonly rows: readonly CellRow[];
  readonly verdicts: readonly TaskVerdict[];
  /** Mixers that tasks ask for and the registry does not have. */
  readonly missing: readonly string[];
  readonly text: string;
}

interface Cell { readonly task: LearningTask; readonly mixer: string; readonly seed: number }

/** Every task x mixer x seed, headline models first. */
export function suiteCells({ tasks, mixers: chosen, seeds }: Pick<SuiteOptions, 'tasks' | 'mixers' | 'seeds'>): { cells: Cell[]; missing: string[] } {
  const known = new Set(mixers().map(({ name }) => name));
  const unknown = chosen?.filter((name) => !known.has(name)) ?? [];
  if (unknown.length > 0) throw new ConfigError(`bench: no mixer is called ${unknown.join(', ')}, expected some of ${[...known].join(', ')}.`);
  const wanted = tasks.flatMap((task) => (chosen ?? [...task.models, ...task.controls.map(({ mixer }) => mixer), ...task.baselines]).map((mixer) => ({ task, mixer })));
  const missing = [...new Set(wanted.filter(({ mixer }) => !known.has(mixer)).map(({ mixer }) => mixer))];
  return { cells: wanted.filter(({ mixer }) => known.has(mixer)).flatMap((one) => seeds.map((seed) => ({ ...one, seed }))), missing };
}

/** Runs the suite and holds it against its bars. */
export async function runSuite(options: SuiteOptions): Promise<SuiteReport> {
  const { cells, missing } = suiteCells(options);
  const rows: (CellRow | undefined)[] = cells.map(() => undefined);
  const finished = (): CellRow[] => rows.filter((row) => row !== undefined);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < cells.length; index = next++) {
      const cell = cells[index]!;
      rows[index] = options.jobs === undefined ? await trainCell({ ...cell, minutes: options.minutes, steps: options.steps, onProgress: options.onProgress }) : await cellInProcess(cell, options);
      const row = rows[index]!;
      if (options.announce ?? true) options.onProgress?.(`${row.task} ${row.mixer} seed ${row.seed}: score ${row.score?.toFixed(1) ?? '-'}, ${row.parameters} parameters, ${row.steps} steps, ${row.seconds.toFixed(0)} s, stopped: ${row.stopped}`);
      await options.onRows?.(finished());
    }
  };
  await Promise.all(Array.from({ length: options.jobs ?? 1 }, work));
  const verdicts: TaskVerdict[] = [];
  for (const task of options.tasks) {
    const trivial = Object.fromEntries(Object.entries((await task.trivial?.()) ?? {}).map(([name, accuracy]) => [name, scoreOf(task, accuracy)]));
    verdicts.push(taskVerdict(task, finished(), trivial, await task.published?.()));
  }
  return { rows: finished(), verdicts, missing, text: suiteText(finished(), verdicts, missing) };
}

/** One cell in a process of its own; a process that dies is a row that failed, not the end of the others. */
async function cellInProcess({ task, mixer, seed }: Cell, { suite, minutes, steps, words = [], onProgress }: SuiteOptions): Promise<CellRow> {
  const folder = await mkdtemp(join(tmpdir(), 'mamba360-cell-'));
  const file = join(folder, 'report.json');
  const started = performance.now();
  try {
    const program = join(import.meta.dirname, '../run.ts');
    const own = ['--suite', suite, '--task', task.name, '--mixers', mixer, '--seeds', String(seed), '--minutes', String(minutes), '--cell', '--out', file, ...(steps === undefined ? [] : ['--steps', String(steps)]), ...words];
    const problem = await new Promise<string | undefined>((resolve) => {
      const child = spawn(process.execPath, ['--conditions=@mamba360/source', '--import', 'tsx', program, ...own], { stdio: ['ignore', 'pipe', 'pipe'] });
      let errors = '';
      child.stdout.on('data', (data: Buffer) => String(data).trimEnd().split('\n').forEach((line) => onProgress?.(line)));
      child.stderr.on('data', (data: Buffer) => { errors = (errors + String(data)).slice(-4000); });
      child.on('error', (error) => resolve(error.message));
      child.on('close', (code) => resolve(code === 0 ? undefined : `the process ended with code ${code}: ${/Error: .*/.exec(errors)?.[0] ?? errors.trim().split('\n').at(-1) ?? ''}`));
    });
    if (problem === undefined) return (JSON.parse(await readFile(file, 'utf8')) as { rows: CellRow[] }).rows[0]!;
    return {
      task: task.name, mixer, role: roleOf(task, mixer), seed, parameters: 0, recipe: task.recipe, steps: 0, stopped: 'failed', tokens: 0, seconds: (performance.now() - started) / 1000,
      validation: [], tests: {}, score: null, problem,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
