import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AbortedError } from '@mamba360/ssm/errors';
import { suggestion } from '../frame/closest.ts';
import { UsageError } from '../frame/usage-error.ts';
import { defineVerb } from '../frame/verb.ts';

/** Benchmarks are programs of `apps/benchmarks/src`, by name: `<program> --backend <name> --out <file>` and what the verb forwards. */
const PROGRAMS: Readonly<Record<string, string>> = { kernels: 'kernels/ratios/run.ts', learning: 'learning/run.ts', 'training-step': 'training-step/run.ts' };
/** Reports of the kernels beside the ratios. */
const KERNEL_REPORTS: Readonly<Record<string, string>> = { ratios: 'kernels/ratios/run.ts', acceptance: 'kernels/acceptance/run.ts', 'selective-scan': 'kernels/run.ts' };
const NAMES = Object.keys(PROGRAMS);

export const command = defineVerb({
  name: 'bench',
  description: 'Measures on this machine: kernels beside their ceilings, or what models learn beside their baselines.',
  options: {
    name: { type: 'positional', description: `One of ${NAMES.join(', ')}.`, required: true },
    program: { type: 'positional', description: 'Of learning, without --suite: etth1, selective-copying or drop-in. Of kernels: ratios (default), acceptance or selective-scan.', required: false },
    suite: { type: 'string', description: 'Of learning: synthetic or lra.', valueHint: 'name' },
    task: { type: 'string', description: 'Of a suite: only these tasks, separated by commas.', valueHint: 'names' },
    mixers: { type: 'string', description: 'Of a suite: these mixers in place of the task\'s own, separated by commas.', valueHint: 'names' },
    seeds: { type: 'string', description: 'Of learning: seeds, separated by commas.', valueHint: 'integers' },
    minutes: { type: 'string', description: 'Of a suite: budget of one training. Default 20.', valueHint: 'number' },
    steps: { type: 'string', description: 'Of learning: updates of one training, in place of the recipe\'s.', valueHint: 'integer' },
    jobs: { type: 'string', description: 'Of a suite: trainings side by side, each in a process of its own. Default: one after another in one process.', valueHint: 'integer' },
    short: { type: 'boolean', description: 'Of the suite lra: sizes for a CPU.' },
    data: { type: 'string', description: 'Of a suite: folder of data sets. Default: ../shared/data.', valueHint: 'folder' },
    threads: { type: 'string', description: 'Threads of the kernels.', valueHint: 'integer' },
    acceptance: { type: 'boolean', description: 'Of kernels: the bars that the kernels must reach, as a table.' },
    quick: { type: 'boolean', description: 'Of kernels: short lengths and few turns, to see that it works.' },
    only: { type: 'string', description: 'Of kernels: only these ops, separated by commas.', valueHint: 'names' },
    page: { type: 'string', description: 'Of kernels: also write the page and its figures here.', valueHint: 'folder' },
    layers: { type: 'string', description: 'Of learning drop-in: names in ssm.layers, separated by commas.', valueHint: 'names' },
  },
  async run(args, { backend, signal, note }) {
    const program = programOf(args.name, args.acceptance === true ? 'acceptance' : args.program);
    const folder = mkdtempSync(join(tmpdir(), 'mamba360-bench-'));
    const report = join(folder, 'report.json');
    try {
      const forwarded = (['suite', 'task', 'mixers', 'seeds', 'minutes', 'steps', 'jobs', 'data', 'threads', 'layers', 'only', 'page'] as const).flatMap((name) => {
        const value = args[name];
        return value === undefined ? [] : [`--${name}`, value];
      });
      const words = [...(args.program === undefined || args.name === 'kernels' ? [] : [args.program]), '--backend', backend, '--out', report, ...forwarded, ...(args.short === true ? ['--short'] : []), ...(args.quick === true ? ['--quick'] : [])];
      const text = await runProgram(program, words, signal, note);
      const document: unknown = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : { text };
      return { document, text };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
});

function programOf(name: string, report: string | undefined): string {
  const path = PROGRAMS[name];
  if (path === undefined) throw new UsageError(`bench has no benchmark ${JSON.stringify(name)}, only ${NAMES.join(', ')}.${suggestion(name, NAMES)}`);
  const reports = Object.keys(KERNEL_REPORTS), chosen = name === 'kernels' && report !== undefined ? KERNEL_REPORTS[report] : path;
  if (chosen === undefined) throw new UsageError(`bench kernels has no report ${JSON.stringify(report)}, only ${reports.join(', ')}.${suggestion(report!, reports)}`);
  const program = fileURLToPath(new URL(`../../../benchmarks/src/${chosen}`, import.meta.url));
  if (!existsSync(program)) throw new UsageError(`The benchmark ${name} is not here: bench runs from a checkout of the repository that has apps/benchmarks/src/${chosen}.`);
  return program;
}

/** Runs the program; its lines are notes while it runs and the text when it is done. */
function runProgram(program: string, words: readonly string[], signal: AbortSignal, note: (line: string) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--conditions=@mamba360/source', '--import', 'tsx', program, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
    });
    let text = '';
    let errors = '';
    child.stdout.on('data', (data: Buffer) => {
      text += data;
      note(String(data).trimEnd());
    });
    child.stderr.on('data', (data: Buffer) => {
      errors += data;
      note(String(data).trimEnd());
    });
    child.on('error', (error) => reject(signal.aborted ? new AbortedError() : error));
    child.on('close', (code) => {
      if (code === 0) return resolve(text);
      const line = errors.split('\n').find((candidate) => /Error: /.test(candidate));
      reject(new UsageError(`The benchmark ended with code ${code}: ${line?.replace(/^.*?Error: /, '') ?? 'no message'}`));
    });
  });
}
