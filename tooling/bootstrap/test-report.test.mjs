import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { removeReports, sumReports } from './test-report.mjs';

let root;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'mamba360-report-'))));
afterEach(() => rmSync(root, { recursive: true }));

function member(name, scripts, reports = {}) {
  const folder = join(root, 'packages', name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ scripts }));
  for (const [file, report] of Object.entries(reports))
    writeFileSync(join(folder, file), typeof report === 'string' ? report : JSON.stringify(report));
}

const report = (passed, failed, testResults = []) => ({
  numPassedTests: passed,
  numFailedTests: failed,
  numPendingTests: 1,
  numTodoTests: 0,
  testResults,
});

test('adds the reports of every member and task', () => {
  member('a', { test: 'x', 'test:shared': 'x' }, { 'test-results.json': report(3, 0), 'test-results-shared.json': report(4, 0) });
  member('b', { test: 'x' }, { 'test-results.json': report(5, 0) });
  member('c', {});
  expect(sumReports(root, ['test', 'test:shared'])).toEqual({ passed: 12, failed: 0, skipped: 3, failures: [] });
  expect(sumReports(root, ['test']).passed).toBe(8);
});

test('names failed tests, and counts files that did not load', () => {
  const failed = { status: 'failed', name: 'x/a.test.ts', message: '', assertionResults: [{ status: 'failed', fullName: 'scan is right' }] };
  const broken = { status: 'failed', name: 'x/b.test.ts', message: 'SyntaxError: y\nmore', assertionResults: [] };
  member('a', { test: 'x' }, { 'test-results.json': report(1, 1, [failed, broken]) });
  const sum = sumReports(root, ['test']);
  expect(sum.failed).toBe(2);
  expect(sum.failures).toEqual([join('packages', 'a') + ' test: scan is right', join('packages', 'a') + ' test: b.test.ts: SyntaxError: y']);
});

test('a missing or cut report is a failure', () => {
  member('a', { test: 'x' });
  member('b', { test: 'x' }, { 'test-results.json': '{"numPassed' });
  expect(sumReports(root, ['test']).failed).toBe(2);
  removeReports(root);
  expect(sumReports(root, ['test']).failed).toBe(2);
});
