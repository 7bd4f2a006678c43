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
    task: { type: 'positional', description: 'Of learning: etth1 or selective-copying.', required: false },
    seeds: { type: 'string', description: 'Of learning: seeds, separated by commas.', valueHint: 'integers' },
  },
  async run(args, { backend, signal, note }) {
    const program = programOf(args.name);
    const folder = mkdtempSync(join(tmpdir(), 'mamba360-bench-'));
    const report = join(folder, 'report.json');
    try {
      const words = [
        ...(args.task === undefined ? [] : [args.task]),
        '--backend',
        backend,
        '--out',
        report,
        ...(args.seeds === undefined ? [] : ['--seeds', args.seeds]),
      ];
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
