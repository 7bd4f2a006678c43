import { describe, expect, it } from 'vitest';
import { acceptanceTable, atLeastShare, atMost, notMeasured } from '../acceptance/line.ts';
import { rmsNorm } from '../operations/rms-norm.ts';
import { OPERATIONS } from '../operations/index.ts';
import type { OperationBenchmark } from '../operations/index.ts';
import { benchRatios } from './bench-ratios.ts';
import { growthExponent } from './growth.ts';
import { judge } from './operation-tests.ts';
import { ratioPage } from './page.ts';
import { ratioLines } from './print-ratios.ts';

const green = (operations: readonly OperationBenchmark[]): Map<string, string | null> => new Map(operations.map(({ name }) => [name, null]));

describe('bench kernels', () => {
  it('fits the exponent of growth', () => {
    expect(growthExponent([256, 1024, 4096].map((L) => ({ L, milliseconds: 3 * L ** 1.5 })))).toBeCloseTo(1.5, 10);
    expect(growthExponent([{ L: 256, milliseconds: 1 }, { L: 512, milliseconds: null }])).toBeNull();
  });

  it('reports every op whose naive loop and composed form agree with its kernel', async () => {
    const report = await benchRatios({ quick: true, backend: 'cpu', threads: 1, test: green });
    expect(report.refused).toEqual([]);
    expect(report.operations.map(({ name }) => name)).toEqual(OPERATIONS.map(({ name }) => name));
    for (const operation of report.operations) {
      expect(operation.lengths.map(({ L }) => L)).toEqual([64, 256]);
      expect(operation.lengths.every(({ kernelMilliseconds }) => kernelMilliseconds > 0)).toBe(true);
      expect(operation.lengths[0]!.ratios.naive).toBeGreaterThan(0);
      expect(Number.isFinite(operation.growthExponent)).toBe(true);
      expect(operation.shares[operation.bound]).toBe(Math.max(...Object.values(operation.shares)));
    }
    const page = ratioPage(report);
    expect(page.match(/<svg/g)).toHaveLength(OPERATIONS.length + 1);
    expect(page).not.toMatch(/<script|src=|href=/);
    expect(ratioLines(report).join('\n')).toContain('grows as L^');
  }, 300_000);

  it('refuses an op whose tests are red, and one whose forms differ', async () => {
    const wrong: OperationBenchmark = { ...rmsNorm, name: 'wrong', naive: (call, size) => rmsNorm.naive(call, size).map((value) => value + 0.1) };
    const report = await benchRatios({ quick: true, backend: 'cpu', threads: 1, operations: [rmsNorm, wrong], test: () => new Map([['rmsNorm', 'a test is red: rmsNorm > agrees']]) });
    expect(report.operations).toEqual([]);
    expect(report.refused).toEqual([{ name: 'rmsNorm', reason: 'a test is red: rmsNorm > agrees' }, { name: 'wrong', reason: expect.stringMatching(/^the naive loop is .* away from the kernel/) }]);
    await expect(benchRatios({ quick: true, only: ['nothing'], test: green })).rejects.toThrow(/There is no op nothing in this benchmark, only selectiveScan/);
  }, 120_000);

  it('judges by the op\'s own files and the kernel\'s tests', () => {
    const file = (name: string, status: string, title: string, ancestor: string): Parameters<typeof judge>[1][number] => ({ name, status, assertionResults: [{ ancestorTitles: [ancestor], status, title }] });
    const own = file('/x/packages/ssm/src/ops/rms-norm/rms-norm.test.ts', 'passed', 'agrees', 'rmsNorm'), kernels = file('/x/packages/ssm/src/kernels/kernels.test.ts', 'passed', 'agrees', 'rmsNormForward');
    expect(judge(rmsNorm, [own, kernels])).toBeNull();
    expect(judge(rmsNorm, [kernels])).toBe('no test of packages/ssm/src/ops/rms-norm was run');
    expect(judge(rmsNorm, [own])).toBe('src/kernels/kernels.test.ts has no test of rmsNormForward');
    expect(judge(rmsNorm, [file(own.name, 'failed', 'agrees', 'rmsNorm'), kernels])).toBe('a test is red: rmsNorm > agrees');
    expect(judge(rmsNorm, [own, file(kernels.name, 'failed', 'same bits', 'rmsNormForward')])).toBe('a test is red: rmsNormForward > same bits');
  });
});

describe('the table of bars', () => {
  it('says met, missed and not measured', () => {
    const lines = [atMost('3', 'scan', 1.6, 1.5), atLeastShare('3', 'matmul', 0.7, 0.5, 'detail'), notMeasured('3', 'linear', '>= 60%', 'the op is not here')];
    expect(acceptanceTable(lines).join('\n')).toMatchInlineSnapshot(`
      "   line    bar     figure
      3  scan    <= 1.6  1.50                met
      3  matmul  >= 70%  50.0%               MISSED        detail
      3  linear  >= 60%  the op is not here  not measured"
    `);
  });
});
