import { DataError, MemoryError } from '@mamba360/ssm/errors';
import type { CommandDef } from 'citty';
import { describe, expect, test } from 'vitest';
import { runCommandLine } from './command-line.ts';
import { defineVerb } from './verb.ts';

const failing = (error: unknown): CommandDef =>
  defineVerb({
    name: 'fail',
    description: 'Fails.',
    options: {},
    run: () => Promise.reject(error),
  });

const root: CommandDef = {
  meta: { name: 'mamba360', version: '1.2.3', description: 'Test' },
  subCommands: {
    echo: defineVerb({
      name: 'echo',
      description: 'Prints its arguments.',
      options: {
        file: { type: 'positional', description: 'A file.', required: true },
        horizon: { type: 'string', description: 'Steps.', default: '24' },
        fit: { type: 'boolean', description: 'Trains.' },
      },
      run: ({ file, horizon, fit }, { seed, backend }) =>
        Promise.resolve({
          document: { file, horizon, fit: fit === true, seed, backend, values: new Float32Array([1, 2]) },
          text: `${file} ${horizon}`,
        }),
    }),
    data: failing(new DataError('The file has\n  no column "y".')),
    memory: failing(new MemoryError('Too large.')),
    defect: failing(new TypeError('x is undefined')),
    group: () => ({ meta: { name: 'group' }, subCommands: { inner: failing(new DataError('inner ran')) } }),
  },
};

async function run(...words: string[]): Promise<{ code: number; out: string; error: string }> {
  let out = '';
  let error = '';
  const terminal = { out: (text: string) => (out += text), error: (text: string) => (error += text), interactive: false };
  const code = await runCommandLine(root, words, terminal, new AbortController().signal);
  return { code, out, error };
}

describe('a verb that works', () => {
  test('prints its text, or with --json one document and nothing else', async () => {
    expect(await run('echo', 'a.csv')).toEqual({ code: 0, out: 'a.csv 24\n', error: '' });
    const { code, out, error } = await run('echo', '--json', 'a.csv', '--horizon=48', '--fit', '--seed', '7', '--backend', 'cpu');
    expect({ code, error }).toEqual({ code: 0, error: '' });
    expect(JSON.parse(out)).toEqual({ file: 'a.csv', horizon: '48', fit: true, seed: 7, backend: 'cpu', values: [1, 2] });
  });

  test('takes --json before the verb too', async () => {
    expect(JSON.parse((await run('--json', 'echo', 'a.csv')).out)).toMatchObject({ file: 'a.csv' });
  });

  test('--help and --version', async () => {
    expect((await run('echo', '--help')).out).toContain('--horizon');
    expect(await run('--version')).toEqual({ code: 0, out: '1.2.3\n', error: '' });
  });
});

describe('a wrong command line ends with code 2 and says what was meant', () => {
  test.each([
    [['ehco'], 'mamba360 has no verb "ehco", only echo, data, memory, defect, group. Did you mean mamba360 echo?\n'],
    [['group'], 'mamba360 group needs a verb, one of inner. mamba360 group --help describes them.\n'],
    [[], 'mamba360 needs a verb, one of echo, data, memory, defect, group. mamba360 --help describes them.\n'],
    [['echo', 'a', '--horizn', '3'], 'mamba360 echo has no option --horizn. Did you mean --horizon? --help lists its options.\n'],
    [['echo', 'a', '--no-horizon'], 'mamba360 echo has no option --no-horizon. Did you mean --horizon? --help lists its options.\n'],
    [['echo', 'a', '--horizon'], '--horizon needs a value, got none. Write --horizon VALUE.\n'],
    [['echo', 'a', '--fit=yes'], '--fit is a switch and takes no value, got "yes".\n'],
    [['echo', 'a', '--seed', '1', '--seed', '2'], '--seed is given twice, expected once.\n'],
    [['echo', 'a', '--seed', '1.5'], '--seed is "1.5", expected a whole number from 0 to 4294967295.\n'],
    [['echo', 'a', '--backend', 'tensorflo'], '--backend is "tensorflo", expected one of auto, tensorflow, wasm, cpu. Did you mean tensorflow?\n'],
    [
      ['echo', 'a', 'b'],
      'mamba360 echo takes 1 word beside its options, and "b" is one more. Quote a value that has spaces; --help shows the form.\n',
    ],
    [['echo'], 'Missing required positional argument: FILE\n'],
  ])('%j', async (words, message) => {
    expect(await run(...words)).toEqual({ code: 2, out: '', error: message });
  });

  test('with --json the error is the document', async () => {
    const { code, out, error } = await run('data', '--json');
    expect(code).toBe(2);
    expect(JSON.parse(out)).toEqual({ error: { code: 'data', message: 'The file has no column "y".' } });
    expect(error).toBe('The file has no column "y".\n');
  });
});

describe('a verb that throws', () => {
  test('bad input is code 2, other errors of ours 1, both one paragraph', async () => {
    expect(await run('data')).toEqual({ code: 2, out: '', error: 'The file has no column "y".\n' });
    expect(await run('memory')).toEqual({ code: 1, out: '', error: 'Too large.\n' });
    expect((await run('group', 'inner')).error).toBe('inner ran\n');
  });

  test('a defect shows its stack only with MAMBA360_DEBUG=1', async () => {
    const { code, error } = await run('defect');
    expect(code).toBe(1);
    expect(error).toBe('Unexpected: x is undefined This is a defect of mamba360; MAMBA360_DEBUG=1 shows the stack for a report.\n');
    process.env.MAMBA360_DEBUG = '1';
    try {
      expect((await run('defect')).error).toMatch(/TypeError: x is undefined\n\s+at /);
    } finally {
      delete process.env.MAMBA360_DEBUG;
    }
  });
});
