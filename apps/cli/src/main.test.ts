import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const main = fileURLToPath(new URL('main.ts', import.meta.url));

/** The command as a user runs it: a process of its own, no terminal. */
function mamba360(...words: string[]): { code: number | null; out: string; error: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--conditions=@mamba360/source', '--import', 'tsx', main, ...words], {
    encoding: 'utf8',
    env: { ...process.env, MAMBA360_DEBUG: '' },
  });
  return { code: status, out: stdout, error: stderr };
}

describe('doctor', () => {
  test('prints one JSON document: backends with precision and threads, and the kernel target with what would be better', () => {
    const { code, out } = mamba360('doctor', '--json');
    const report = JSON.parse(out);
    expect(code).toBe(0);
    expect(report.node).toMatchObject({ version: process.versions.node, supported: true });
    expect(report.backends.map((backend: { name: string }) => backend.name)).toEqual(['tensorflow', 'wasm', 'cpu']);
    expect(report.backends.at(-1)).toMatchObject({ name: 'cpu', available: true, precision: 'float32' });
    expect(report.kernels.instructionSet).toMatch(/\w/);
    expect(Array.isArray(report.kernels.reasons)).toBe(true);
  });

  test('prints a table for a person', () => {
    const { out } = mamba360('doctor');
    expect(out).toMatch(/^mamba360 .*, Node /);
    expect(out).toContain('taken by auto');
    expect(out).toContain('Kernel target: ');
  });
});

test('an unknown verb ends with code 2, one line on standard error and nothing on standard output', () => {
  expect(mamba360('docter')).toEqual({
    code: 2,
    out: '',
    error: expect.stringMatching(/^mamba360 has no verb "docter".* Did you mean mamba360 doctor\?\n$/),
  });
});

test('bench names its benchmarks', () => {
  expect(mamba360('bench', 'lerning')).toEqual({
    code: 2,
    out: '',
    error: 'bench has no benchmark "lerning", only kernels, learning, training-step. Did you mean learning?\n',
  });
});
