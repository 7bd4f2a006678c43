import { ConfigError } from '@mamba360/ssm/errors';
import { describe, expect, test } from 'vitest';
import { checkLaw, holds, printLaw } from './check-law.ts';

describe('verify --law', () => {
  test('prints members x properties with errors, and holds for the members named', async () => {
    const report = await checkLaw({ backends: ['cpu'], members: ['identity', 'gru'], seed: 3 });
    expect(report.summary).toEqual({ members: 2, pass: 24, fail: 0 });
    expect(new Set(report.backends[0]!.rows.map(({ property }) => property))).toEqual(new Set([
      'full, again', 'chunked', 'stepwise', 'batched', 'right padded', 'left padded', 'masked anywhere', 'packed', 'rewound', 'saved, restored', 'state is a value', 'new process',
    ]));
    const text = printLaw(report);
    expect(text).toMatch(/^cpu, kernels .+\nvalues gradients +full, again +chunked/);
    expect(text).toMatch(/\nidentity +0 0 /);
    expect(text).toContain('2 members, 24 hold, 0 fail.');
  });

  test('marks what misses its bound, NaN included, and says where', () => {
    const row = { member: 'x', property: 'chunked', output: 0, state: 0, gradient: 2e-4, worst: 'gradient of A_log', status: 'fail' as const };
    expect(holds(row)).toBe(false);
    expect(holds({ ...row, gradient: null })).toBe(true);
    expect(holds({ ...row, output: Number.NaN })).toBe(false);
    const text = printLaw({ bounds: { output: 1e-5, state: 1e-5, gradient: 1e-4 }, backends: [{ name: 'cpu', target: 'wasm', rows: [row] }], skippedBackends: [], exempt: ['bigs'], summary: { members: 1, pass: 0, fail: 1 } });
    expect(text).toContain('0 2e-4!');
    expect(text).toContain('! x, chunked: gradient of A_log');
    expect(text).toContain('Exempt, with promises of their own: bigs.');
  });

  test('refuses a member that is not registered', async () => {
    await expect(checkLaw({ members: ['mambo'] })).rejects.toThrow(ConfigError);
  });
});
