import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
const golden = process.env.MAMBA360_SHARED === undefined ? undefined : join(process.env.MAMBA360_SHARED, 'golden');
const present = golden !== undefined && existsSync(golden);
if (!present) console.log('Skipped: the golden files of ../shared are absent; MAMBA360_SHARED names another place.');

function verify(...words: string[]): { code: number | null; out: string; error: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--conditions=@mamba360/source', '--import', 'tsx', main, 'verify', ...words], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  return { code: status, out: stdout, error: stderr };
}

describe.skipIf(!present)('mamba360 verify', () => {
  test('passes every case of the families that are built, on cpu', () => {
    const { code, out } = verify(golden!, '--families', 'selective_scan,selective_state_update,causal_conv1d', '--backend', 'cpu', '--json');
    const { cases, summary } = JSON.parse(out);
    expect(code).toBe(0);
    expect(summary).toMatchObject({ fail: 0, unsupported: 0 });
    expect(summary.pass).toBe(cases.length);
    expect(cases[0]).toEqual(expect.objectContaining({ family: expect.any(String), case: expect.any(String), backend: 'cpu', status: 'pass' }));
  });

  test('takes --family for --families', () => {
    const { code, out } = verify(golden!, '--family', 'selective_state_update', '--backend', 'cpu', '--json');
    expect(code).toBe(0);
    expect(new Set(JSON.parse(out).cases.map((item: { family: string }) => item.family))).toEqual(new Set(['selective_state_update']));
  });

  test('ends with code 1 and names the case when one fails', () => {
    const folder = mkdtempSync(join(tmpdir(), 'mamba360-verify-'));
    try {
      writeFileSync(join(folder, 'broken.json'), '{ "family": ');
      writeFileSync(join(folder, 'broken.safetensors'), '');
      const { code, out } = verify(folder, '--backend', 'cpu');
      expect(code).toBe(1);
      expect(out).toContain('broken');
      expect(out).toContain('0 passed, 1 failed');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('a folder that does not exist is code 2', () => {
    expect(verify('no-such-folder')).toMatchObject({ code: 2, out: '', error: expect.stringContaining('no-such-folder is not a folder') });
  });
});
