import { DataError } from '@mamba360/ssm/errors';
import { MEMBERS } from '@mamba360/ssm/taxonomy';
import { describe, expect, test } from 'vitest';
import { describeSurvey } from './describe.ts';
import type { SurveyDocument } from './describe.ts';
import { longRangeArena, lraMean } from './long-range-arena.ts';
import { publishedResults, resultsOfModel, resultsOfTask } from './published-results.ts';
import { survey } from './survey.ts';

describe('survey', () => {
  test('lists every member with capabilities and golden coverage, and the tree', async () => {
    const { document, text } = await survey({});
    const { members, tree, counts } = document as SurveyDocument;
    expect(members.map(({ key }) => key)).toEqual(MEMBERS.map(({ key }) => key));
    expect(tree.flatMap(({ nodes }) => nodes)).toHaveLength(22);
    for (const member of members) {
      if (member.status === 'implemented') expect(member.capabilities, member.key).not.toBeNull();
      expect(member.golden.cases, member.key).toBe(member.golden.families.reduce((sum, { cases }) => sum + cases, 0));
    }
    expect(counts).toMatchObject({ members: 53, surveyNodes: 22 });
    for (const line of ['├─ Structured SSMs', 'S5 (2022)  <- S4, LD-Stack', 'Global Conv: SG-Conv (2022)', 'HGRN (2023)  <- Gated SSMs', '└─ Misc. SSMs']) expect(text).toContain(line);
  });

  test('counts coverage in cases that exist: no family and no beginning without one', async () => {
    for (const { key, golden } of (await describeSurvey()).members) for (const { family, cases } of golden.families) expect(cases, `${key} ${family}`).toBeGreaterThan(0);
    const mamba = (await describeSurvey()).members.find(({ key }) => key === 'mamba')!;
    expect(mamba.golden.families).toContainEqual({ family: 'selective_scan', cases: 33, verified: true });
  });

  test('prints a page for a model under any of its names, with published results and sources', async () => {
    const { text, document } = await survey({ what: 'ld-stack' });
    expect(text).toMatch(/^LDStack\n {2}paradigm {2,}Structured SSMs\n/);
    expect((document as { key: string }).key).toBe('ldstack');
    const { text: page } = await survey({ what: 'S6' });
    for (const part of ['promises       state constant, causal', 'packages/ssm/src/layers/mamba.ts', 'Mamba-130M', 'Table 3']) expect(page).toContain(part);
  });

  test('refuses a model, a task or a pair it does not know, and says what there is', async () => {
    await expect(survey({ what: 'mambo' })).rejects.toThrow('expected one of hippo');
    await expect(survey({ what: 'results', task: 'imagenet-2k' })).rejects.toThrow(DataError);
    await expect(survey({ what: 'results', task: 'lra', model: 'PointMamba' })).rejects.toThrow('Leave --model out');
  });
});

describe('published results', () => {
  test('hold each figure with its source', async () => {
    const results = await publishedResults();
    expect(results).toHaveLength(2684);
    expect(results.every(({ source, benchmark, metric, model, value }) => source !== '' && benchmark !== '' && metric !== '' && model !== '' && (value === null || Number.isFinite(value)))).toBe(true);
    expect(results.filter(({ verified }) => !verified)).toHaveLength(147);
  });

  test('are chosen by benchmark, then by setting, in any spelling', async () => {
    const results = await publishedResults();
    expect(resultsOfTask(results, 'lra')).toHaveLength(320);
    expect(new Set(resultsOfTask(results, 'listops').map(({ benchmark }) => benchmark))).toEqual(new Set(['LRA']));
    expect(resultsOfTask(results, 'image-net')).toHaveLength(93);
    expect(resultsOfTask(results, 'nothing')).toEqual([]);
  });

  test('of a model leave out models whose names only begin alike', async () => {
    const results = await publishedResults();
    expect(new Set(resultsOfModel(results, ['S4', 'S4-LegS']).map(({ model }) => model))).toEqual(new Set(['S4', 'S4-LegS']));
    expect(resultsOfModel(results, ['Mega']).map(({ model }) => model)).not.toContain('Mega-chunk');
    expect(resultsOfModel(results, ['Mamba']).map(({ model }) => model)).not.toContain('Mamba-2D-S');
    expect(resultsOfModel(results, ['Mamba']).map(({ model }) => model)).toContain('Mamba-2.8B');
  });
});

describe('the Long Range Arena', () => {
  test('has one mean by one rule: failed counts 50, not reported gives none', async () => {
    expect(lraMean([60, 80, 90, 70, 90, 'failed'])).toBeCloseTo((60 + 80 + 90 + 70 + 90 + 50) / 6, 12);
    expect(lraMean([60, 80, 90, 70, 90, 'not reported'])).toBeNull();
    const rows = longRangeArena(await publishedResults());
    const of = (model: string): (typeof rows)[number] => rows.find((row) => row.model === model)!;
    expect(of('S5')).toMatchObject({ tasks: { ListOps: 62.15, 'Path-X': 98.58 }, publishedMean: 87.46, publishedRule: 'mean of six' });
    expect(of('S5').mean).toBeCloseTo(87.46, 1);
    expect(of('H-Transformer-1D')).toMatchObject({ publishedMean: 61.41, publishedRule: 'mean of the five reported tasks only', tasks: { 'Path-X': 'failed' } });
    expect(of('H-Transformer-1D').mean).toBeCloseTo(59.51, 2);
    expect(of('cosFormer')).toMatchObject({ mean: null, publishedMean: 51.76 });
  });

  test('prints as one table', async () => {
    const { text, document } = await survey({ what: 'results', task: 'lra' });
    expect(text).toMatch(/model +ListOps +Text +Retrieval +Image +Pathfinder +Path-X +mean +published +source/);
    expect(text).toMatch(/CCNN +43\.60 +84\.08 +x +88\.90 +91\.51 +x +68\.02 +68\.02/);
    expect((document as { longRangeArena: { meanRule: string } }).longRangeArena.meanRule).toMatch(/^six-tasks-failed-is-50/);
  });
});
