import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { useBackend } from '@mamba360/ssm/backend';
import { backendMatrix } from '@mamba360/testing';
import { describe, expect, it } from 'vitest';
import { verify } from './index.ts';

const shared = process.env['MAMBA360_SHARED'];
const golden = shared ? join(shared, 'golden') : '';
const present = existsSync(golden);
if (!present) process.stderr.write('Skipped: the golden files of ../shared are absent; MAMBA360_SHARED names another place.\n');

const backends = present ? await backendMatrix(useBackend) : [];

describe.skipIf(!present)('every golden case of the families that are built', () => {
  it.each(backends)('%s', async (name) => {
    for (const kernels of ['auto', 'wasm-simd'] as const) {
      const { cases, summary } = await verify({ folder: golden, backends: [name], kernels });
      expect(cases.filter((item) => item.status === 'fail')).toEqual([]);
      const unsupported = new Set(cases.filter((item) => item.status === 'unsupported').map((item) => item.family));
      for (const family of ['selective_scan', 'selective_state_update', 'causal_conv1d']) expect(unsupported).not.toContain(family);
      expect(summary.pass).toBeGreaterThanOrEqual(62);
    }
  });
});
