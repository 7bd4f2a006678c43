import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findGoldenCases } from '@mamba360/testing';
import { describe, expect, test } from 'vitest';
import { goldenCases } from './describe.ts';
import { publishedResults } from './published-results.ts';

const shared = process.env.MAMBA360_SHARED;
const present = shared !== undefined && existsSync(join(shared, 'survey/results.json'));
if (!present) console.log('Skipped: ../shared is absent; MAMBA360_SHARED names another place.');

describe.skipIf(!present)('the data of mamba360 survey', () => {
  test('are the published results of the founders, every row and nothing else', async () => {
    const sorted = (rows: readonly object[]): string[] => rows.map((row) => JSON.stringify(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)))).sort();
    expect(sorted(await publishedResults())).toEqual(sorted(JSON.parse(readFileSync(join(shared!, 'survey/results.json'), 'utf8')) as object[]));
  });

  test('name the golden cases that are there', async () => {
    const found = new Map<string, string[]>();
    for (const { family, name, problem } of await findGoldenCases(join(shared!, 'golden'))) if (problem === undefined) found.set(family, [...(found.get(family) ?? []), name]);
    const named = await goldenCases();
    for (const family of Object.keys(named)) expect(found.get(family)?.sort(), family).toEqual([...named[family]!].sort());
    expect([...found.keys()].filter((family) => !(family in named))).toEqual([]);
  });
});
