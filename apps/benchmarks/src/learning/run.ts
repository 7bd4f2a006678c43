/**
 * Learning runs with a printed table and a JSON report.
 *
 *   npx tsx --conditions=@mamba360/source apps/benchmarks/src/learning/run.ts etth1|selective-copying|drop-in [--out file.json]
 *   npx tsx --conditions=@mamba360/source apps/benchmarks/src/learning/run.ts --suite synthetic|lra [--task names] [--mixers names] [--seeds 1,2,3] [--minutes 20] [--jobs 16]
 */
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { useBackend } from '@mamba360/ssm/backend';
import { programs } from './programs.ts';
import { runSuite } from './suite/run-suite.ts';
import type { CellRow } from './suite/train-cell.ts';
import { suiteTasks } from './suites.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: 'string' }, backend: { type: 'string', default: 'auto' }, threads: { type: 'string' }, seeds: { type: 'string', default: '1,2,3' }, steps: { type: 'string' },
    suite: { type: 'string' }, task: { type: 'string' }, mixers: { type: 'string' }, minutes: { type: 'string', default: '20' }, jobs: { type: 'string' }, data: { type: 'string' },
    short: { type: 'boolean' }, cell: { type: 'boolean' },
    horizon: { type: 'string', default: '96' }, epochs: { type: 'string', default: '5' }, start: { type: 'string', default: 'zero' }, average: { type: 'string', default: '0.995' },
    mixer: { type: 'string' }, models: { type: 'string' }, layers: { type: 'string' }, 'learning-rate': { type: 'string' }, batch: { type: 'string', default: '64' },
  },
});
const list = (text: string | undefined): string[] | undefined => text?.split(',').map((word) => word.trim());
const number = (name: 'steps' | 'minutes' | 'jobs' | 'threads'): number | undefined => {
  const text = values[name];
  if (text === undefined) return undefined;
  if (!(Number(text) > 0)) throw new Error(`--${name} is ${JSON.stringify(text)}, expected a number above 0.`);
  return Number(text);
};
const print = (line: string): void => { console.log(line); };
const data = values.data ?? `${process.env.MAMBA360_SHARED ?? '../shared'}/data`;
const seeds = values.seeds.split(',').map(Number);
if (seeds.some((seed) => !Number.isSafeInteger(seed) || seed < 0)) throw new Error(`--seeds is ${JSON.stringify(values.seeds)}, expected whole numbers separated by commas.`);
const report = await useBackend({ name: values.backend as 'auto', threads: number('threads') });

const withoutPaths = process.argv.slice(2).filter((word, i, all) => !['--out', '--data', '--cell'].includes(word) && !['--out', '--data'].includes(all[i - 1] ?? ''));
const head = {
  command: `apps/benchmarks/src/learning/run.ts ${withoutPaths.join(' ')}`, node: process.version, cpu: cpus()[0]?.model, backend: report.backend, kernels: report.kernels,
  date: new Date().toISOString().slice(0, 10),
};
const write = async (document: object): Promise<void> => {
  if (values.out) await writeFile(values.out, `${JSON.stringify({ ...head, ...document }, null, 2)}\n`);
};

if (values.suite !== undefined) {
  const { tasks, unavailable } = await suiteTasks(values.suite, { data, short: values.short ?? false, names: list(values.task) });
  const words = ['--backend', values.backend, '--data', data, ...(values.threads ? ['--threads', values.threads] : []), ...(values.short ? ['--short'] : [])];
  const { text, ...result } = await runSuite({
    suite: values.suite, tasks: values.cell ? tasks.map(({ trivial: _trivial, published: _published, ...task }) => task) : tasks, mixers: list(values.mixers), seeds, minutes: number('minutes')!, steps: number('steps'), jobs: number('jobs'), words,
    onProgress: print, announce: !values.cell, onRows: (rows: readonly CellRow[]) => write({ suite: values.suite, unfinished: true, rows }),
  });
  if (!values.cell) print(`\n${[text, ...unavailable.map(({ name, reason }) => `${name} was not run. ${reason}`)].join('\n')}`);
  await write({ suite: values.suite, seeds, minutes: number('minutes'), short: values.short ?? false, unavailable, ...result });
} else {
  const [task] = positionals;
  const rows = await programs(task, { data, seeds, steps: number('steps'), values, print });
  await write({ task, rows });
}
