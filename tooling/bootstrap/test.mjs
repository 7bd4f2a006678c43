import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { FROM_SOURCE, ROOT } from './paths.mjs';
import { run } from './run.mjs';
import { removeReports, sumReports } from './test-report.mjs';
import { prepareWorkspace } from './workspace.mjs';

const CHECKS = ['lint', 'structure', 'licences', 'versions', 'unused', 'size', 'check', 'typecheck'];
const shared = process.env.MAMBA360_SHARED ?? resolve(ROOT, '../shared');

try {
  await prepareWorkspace((line) => console.log(line));
} catch (error) {
  console.error(error.message);
  console.log('0 passed, 1 failed');
  process.exit(1);
}

// What decides a test's result but is no file of the repository: turbo's `globalEnv`.
const goldenIndex = resolve(shared, 'golden/README.md');
const { backends, kernels } = await examination();
const env = {
  MAMBA360_NODE_VERSION: process.version,
  MAMBA360_BACKENDS: backends,
  MAMBA360_KERNEL_TARGET: kernels,
  MAMBA360_GOLDEN_INDEX: existsSync(goldenIndex) ? createHash('sha256').update(readFileSync(goldenIndex)).digest('hex') : 'absent',
};
console.log(`Node ${process.version}, backends ${backends}, kernels ${kernels}`);
if (!existsSync(shared))
  console.log('The folder ../shared is absent: tests of its golden files and data are skipped; MAMBA360_SHARED names another place.');

removeReports(ROOT);
const tests = existsSync(shared) ? ['test', 'test:shared'] : ['test'];
const { code } = await run('turbo', ['run', 'build', ...CHECKS, ...tests, '--continue=dependencies-successful', '--concurrency=2'], {
  env,
  shell: process.platform === 'win32',
});

const sum = sumReports(ROOT, tests);
for (const failure of sum.failures) console.log(`FAILED ${failure}`);
if (code !== 0 && sum.failed === 0) {
  // Lint, types, structure or a build: not a test, but it fails the run.
  sum.failed = 1;
  console.log('FAILED a check above');
}
console.log(`${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''}`);
process.exitCode = sum.failed === 0 && code === 0 ? 0 : 1;

/** What `mamba360 doctor` says, as the two words that decide results. */
async function examination() {
  const { output } = await run(process.execPath, [...FROM_SOURCE, 'apps/cli/src/main.ts', 'doctor', '--json'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    const report = JSON.parse(output);
    const names = report.backends.filter((backend) => backend.available).map((backend) => backend.name);
    return {
      backends: names.join() || 'none',
      kernels: report.kernels === null ? 'none' : `${report.kernels.target} ${report.kernels.instructionSet}`,
    };
  } catch {
    return { backends: 'unknown', kernels: 'unknown' };
  }
}
