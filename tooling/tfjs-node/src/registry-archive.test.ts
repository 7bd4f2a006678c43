import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { checkArchive } from './registry-archive.ts';

const folder = mkdtempSync(join(tmpdir(), 'mamba360-archive-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('refuses an archive with another checksum and names both', async () => {
  const file = join(folder, 'archive.br');
  writeFileSync(file, 'abc');
  const sha256OfAbc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  await expect(checkArchive(file, sha256OfAbc)).resolves.toBeUndefined();
  await expect(checkArchive(file)).rejects.toThrow(`SHA-256 ${sha256OfAbc}`);
});
