import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AbortedError } from '@mamba360/ssm/errors';
import { suggestion } from '../frame/closest.ts';
import { UsageError } from '../frame/usage-error.ts';
import { defineVerb } from '../frame/verb.ts';

/** Benchmarks are programs of `apps/benchmarks`: `src/<name>/run.ts [task] --backend <name> --seeds <list> --out <file>`. */
const NAMES = ['kernels', 'learning'] as const;

export const command = defineVerb({
  name: 'bench',
  description: 'Measures on this machine: kernels beside their ceilings, or what models learn beside their baselines.',
  options: {
    name: { type: 'positional', description: `One of ${NAMES.join(', ')}.`, required: true },
    program: { type: 'positional', description: 'Of learning, without --suite: etth1, selective-copying or drop-in.', required: false },
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
    layers: { type: 'string', description: 'Of learning drop-in: names in ssm.layers, separated by commas.', valueHint: 'names' },
  },
  async run(args, { backend, signal, note }) {
    const program = programOf(args.name);
    const folder = mkdtempSync(join(tmpdir(), 'mamba360-bench-'));
    const report = join(folder, 'report.json');
    try {
      const forwarded = (['suite', 'task', 'mixers', 'seeds', 'minutes', 'steps', 'jobs', 'data', 'threads', 'layers'] as const).flatMap((name) => {
        const value = args[name];
        return value === undefined ? [] : [`--${name}`, value];
      });
      const words = [...(args.program === undefined ? [] : [args.program]), '--backend', backend, '--out', report, ...forwarded, ...(args.short === true ? ['--short'] : [])];
      const text = await runProgram(program, words, signal, note);
      const document: unknown = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : { text };
      return { document, text };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
});

function programOf(name: string): string {
  const program = fileURLToPath(new URL(`../../../benchmarks/src/${name}/run.ts`, import.meta.url));
  if (!(NAMES as readonly string[]).includes(name))
    throw new UsageError(`bench has no benchmark ${JSON.stringify(name)}, only ${NAMES.join(', ')}.${suggestion(name, NAMES)}`);
  if (!existsSync(program))
    throw new UsageError(`The benchmark ${name} is not here: bench runs from a checkout of the repository that has apps/benchmarks/src/${name}.`);
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
    child.stderr.on('data', (data: Buffer) => (errors += data));
    child.on('error', (error) => reject(signal.aborted ? new AbortedError() : error));
    child.on('close', (code) => {
      if (code === 0) return resolve(text);
      const line = errors.split('\n').find((candidate) => /Error: /.test(candidate));
      reject(new UsageError(`The benchmark ended with code ${code}: ${line?.replace(/^.*?Error: /, '') ?? 'no message'}`));
    });
  });
}
