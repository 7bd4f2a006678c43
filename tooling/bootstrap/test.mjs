import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ROOT } from './paths.mjs';
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
const env = {
  MAMBA360_NODE_VERSION: process.version,
  MAMBA360_BACKENDS: await availableBackends(),
  MAMBA360_KERNEL_TARGET: await kernelTarget(),
  MAMBA360_GOLDEN_INDEX: existsSync(goldenIndex) ? createHash('sha256').update(readFileSync(goldenIndex)).digest('hex') : 'absent',
};
if (!existsSync(shared)) console.log('The folder ../shared is absent: tests of its golden files and data are skipped; MAMBA360_SHARED names another place.');

removeReports(ROOT);
const tests = existsSync(shared) ? ['test', 'test:shared'] : ['test'];
const { code } = await run('turbo', ['run', 'build', ...CHECKS, ...tests, '--continue=dependencies-successful', '--concurrency=2', '--output-logs=new-only'], {
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

async function availableBackends() {
  const probe = "import('@tensorflow/tfjs-node').then(() => process.exit(0), () => process.exit(1))";
  const shims = "const u=require('node:util');u.isNullOrUndefined??=(v)=>v==null;u.isArray??=Array.isArray;u.isUndefined??=(v)=>v===undefined;";
  const { code: failure } = await run(process.execPath, ['--eval', shims + probe], { stdio: ['ignore', 'pipe', 'pipe'] });
  return failure === 0 ? 'cpu,wasm,tensorflow' : 'cpu,wasm';
}

async function kernelTarget() {
  const { output } = await run(process.execPath, ['--version'], { stdio: ['ignore', 'pipe', 'pipe'] });
  return output.trim();
}
