import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PAPERS_PAGE, papersPage, surveyDocument } from './papers.mjs';
import { groupResults } from './survey-data.mjs';

describe('docs/papers.md', () => {
  const document = surveyDocument();

  it('is current; node tooling/generators/papers.mjs writes it anew', () => {
    expect(readFileSync(PAPERS_PAGE, 'utf8')).toBe(papersPage(document));
  });

  it('has a row for every member and a line for each of the 22 nodes', () => {
    const page = papersPage(document);
    for (const { name } of document.members) expect(page).toContain(`\n| ${name}`);
    expect(page.match(/^ {2}- /gm)).toHaveLength(22);
  });

  it('links to files that are there', () => {
    const files = [...papersPage(document).matchAll(/\]\((\.\.\/[^)]+)\)/g)].map(([, file]) => file);
    expect(files.length).toBeGreaterThan(0);
    expect(files.filter((file) => !existsSync(join(dirname(PAPERS_PAGE), file)))).toEqual([]);
  });
});

describe('survey-data', () => {
  it('says a source once and keeps every figure', () => {
    const rows = [['A', 1], ['B', 2]].map(([model, value]) => ({ benchmark: 'LRA', setting: 'Text', metric: 'accuracy', higherIsBetter: true, source: 'S', evidence: 'E', verified: true, inSurvey: 'yes', model, value }));
    expect(groupResults([...rows, { ...rows[0], source: 'T' }]).map(({ source, rows: own }) => [source, own.map(({ model, value }) => [model, value])])).toEqual([['S', [['A', 1], ['B', 2]]], ['T', [['A', 1]]]]);
  });
});
