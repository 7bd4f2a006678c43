import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const REPORTS = { test: 'test-results.json', 'test:shared': 'test-results-shared.json' };

/** @param {string} root @returns {{ folder: string, scripts: Record<string, string> }[]} */
function members(root) {
  return ['packages', 'apps', 'tooling']
    .filter((group) => existsSync(join(root, group)))
    .flatMap((group) => readdirSync(join(root, group)).map((name) => join(root, group, name)))
    .filter((folder) => existsSync(join(folder, 'package.json')))
    .map((folder) => ({ folder, scripts: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).scripts ?? {} }));
}

/** Removes earlier reports, so that only this run's (or what turbo restores from its cache) are counted. */
export function removeReports(root) {
  for (const { folder } of members(root)) for (const report of Object.values(REPORTS)) rmSync(join(folder, report), { force: true });
}

/**
 * Adds up the reports of every member. A member with a test script and no readable report counts as one failure: its run died.
 *
 * @param {string} root
 * @param {string[]} tasks - `test`, `test:shared`.
 * @returns {{ passed: number, failed: number, skipped: number, failures: string[] }}
 */
export function sumReports(root, tasks) {
  const sum = { passed: 0, failed: 0, skipped: 0, failures: [] };
  for (const { folder, scripts } of members(root)) {
    for (const task of tasks) {
      if (scripts[task] === undefined) continue;
      const name = `${folder.slice(root.length).replace(/^[\\/]/, '')} ${task}`;
      addReport(sum, join(folder, REPORTS[task]), name);
    }
  }
  return sum;
}

function addReport(sum, path, name) {
  let report;
  try {
    report = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    sum.failed += 1;
    sum.failures.push(`${name}: left no report`);
    return;
  }
  sum.passed += report.numPassedTests;
  sum.failed += report.numFailedTests;
  sum.skipped += report.numPendingTests + report.numTodoTests;
  for (const file of report.testResults) {
    const failed = file.assertionResults.filter((result) => result.status === 'failed');
    sum.failures.push(...failed.map((result) => `${name}: ${result.fullName}`));
    // A file that cannot be loaded has no assertions, yet it failed.
    if (file.status === 'failed' && failed.length === 0) {
      sum.failed += 1;
      sum.failures.push(`${name}: ${file.name.split(/[\\/]/).at(-1)}: ${String(file.message).split('\n')[0]}`);
    }
  }
}
