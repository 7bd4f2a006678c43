import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { OperationBenchmark } from '../operations/index.ts';

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));
const SSM = join(ROOT, 'packages/ssm');
const STAMPS = join(ROOT, 'apps/benchmarks/.cache/operation-tests');

/** Why an op must not be reported, or null where its tests are green. */
export type Verdicts = ReadonlyMap<string, string | null>;

interface TestFile { readonly name: string; readonly status: string; readonly assertionResults: readonly { readonly ancestorTitles: readonly string[]; readonly status: string; readonly title: string }[] }

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).sort();
}

/** A hash of all that decides whether the op's tests pass: its folder, what ops share, the C sources and the layer between, the table of bounds. */
export function sourcesHash(folder: string): string {
  const hash = createHash('sha256');
  for (const part of ['src/ops/common', `src/ops/${folder}`, 'kernels', 'src/kernels', 'src/backend', '../../tooling/testing/src']) {
    for (const file of filesUnder(join(SSM, part))) hash.update(file.slice(ROOT.length)).update('\0').update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

const stampOf = (operation: OperationBenchmark): string => join(STAMPS, `${operation.name}.json`);

function isStamped(operation: OperationBenchmark, hash: string): boolean {
  return existsSync(stampOf(operation)) && (JSON.parse(readFileSync(stampOf(operation), 'utf8')) as { hash?: string }).hash === hash;
}

function runTests(folders: readonly string[]): readonly TestFile[] {
  const scratch = mkdtempSync(join(tmpdir(), 'mamba360-bench-tests-')), report = join(scratch, 'report.json');
  try {
    const paths = folders.map((folder) => `packages/ssm/src/ops/${folder}/`);
    spawnSync(process.execPath, [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--root', ROOT, '--project', 'ssm', '--reporter=json', `--outputFile=${report}`, ...paths, 'packages/ssm/src/kernels/kernels.test.ts'], { cwd: ROOT, stdio: 'ignore' });
    return existsSync(report) ? (JSON.parse(readFileSync(report, 'utf8')) as { testResults: TestFile[] }).testResults : [];
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The verdict on one op from the results of its folder and of `kernels.test.ts`. */
export function judge(operation: Pick<OperationBenchmark, 'folder' | 'kernel'>, results: readonly TestFile[]): string | null {
  const own = results.filter(({ name }) => name.replaceAll('\\', '/').includes(`/ops/${operation.folder}/`));
  if (own.length === 0) return `no test of packages/ssm/src/ops/${operation.folder} was run`;
  const failedFile = own.find(({ status }) => status !== 'passed');
  const ofKernel = results.filter(({ name }) => name.endsWith('kernels.test.ts')).flatMap(({ assertionResults }) => assertionResults.filter(({ ancestorTitles }) => ancestorTitles.includes(operation.kernel)));
  if (ofKernel.length === 0) return `src/kernels/kernels.test.ts has no test of ${operation.kernel}`;
  const failed = [...own.flatMap(({ assertionResults }) => assertionResults), ...ofKernel].find(({ status }) => status === 'failed');
  if (failed) return `a test is red: ${[...failed.ancestorTitles, failed.title].filter(Boolean).join(' > ')}`;
  return failedFile ? `${failedFile.name.split('/').at(-1)} did not pass` : null;
}

/**
 * Are the ops' tests green? A green result is kept (`apps/benchmarks/.cache`), keyed by a hash of the op's sources; what has none is tested now.
 */
export function testOperations(operations: readonly OperationBenchmark[], print: (line: string) => void): Verdicts {
  const hashes = new Map(operations.map((operation) => [operation, sourcesHash(operation.folder)]));
  const open = operations.filter((operation) => !isStamped(operation, hashes.get(operation)!));
  const verdicts = new Map<string, string | null>(operations.map(({ name }) => [name, null]));
  if (open.length === 0) return verdicts;
  print(`Running the tests of ${open.map(({ name }) => name).join(', ')} first ...`);
  const results = runTests([...new Set(open.map(({ folder }) => folder))]);
  mkdirSync(STAMPS, { recursive: true });
  for (const operation of open) {
    const reason = judge(operation, results);
    verdicts.set(operation.name, reason);
    if (reason === null) writeFileSync(stampOf(operation), `${JSON.stringify({ hash: hashes.get(operation), node: process.version })}\n`);
    else rmSync(stampOf(operation), { force: true });
  }
  return verdicts;
}
