import { readFile, stat } from 'node:fs/promises';
import { tf, useBackend } from '@mamba360/ssm/backend';
import type { BackendName, UseBackendOptions } from '@mamba360/ssm/backend';
import { ConfigError, FileError } from '@mamba360/ssm/errors';
import { BACKEND_NAMES, findGoldenCases, GoldenCase, parseDescription, requiredBackends } from '@mamba360/testing';
import type { GoldenDescription, GoldenReference } from '@mamba360/testing';
import { compareCase } from './compare-case.ts';
import { FAMILIES } from './families/index.ts';
import type { VerifyCase, VerifyReport } from './report.ts';

export interface VerifyOptions {
  /** Folder of golden cases, of any depth. */
  readonly folder: string;
  /** Named ones must start. Default: every one that starts; the others are reported as skipped. */
  readonly backends?: readonly BackendName[] | undefined;
  /** Only these families. Default: all that the folder has. */
  readonly families?: readonly string[] | undefined;
  /** Kernel target, as in `useBackend`. Default: the best one. */
  readonly kernels?: UseBackendOptions['kernels'];
  readonly deterministic?: boolean | undefined;
  readonly onProgress?: ((progress: { done: number; total: number; last: VerifyCase }) => void) | undefined;
}

interface Work { readonly reference: GoldenReference; readonly description: GoldenDescription | null; readonly family: string; readonly problem: string | null }

const oneLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0]!;

/** Reads the description of a case; what is wrong with it is kept for the report. */
async function examine(reference: GoldenReference): Promise<Work> {
  if (reference.problem) return { reference, description: null, family: reference.family, problem: reference.problem };
  try {
    const description = parseDescription(await readFile(reference.jsonPath, 'utf8'));
    return { reference, description, family: description.family, problem: null };
  } catch (error) {
    return { reference, description: null, family: reference.family, problem: `malformed description: ${oneLine(error)}` };
  }
}

async function runCase(work: Work, backend: string): Promise<VerifyCase> {
  const { reference, description, family, problem } = work;
  const failed = (reason: string): VerifyCase =>
    ({ family, case: description?.case ?? reference.name, backend, status: 'fail', worst: { tensor: null, error: null }, reason });
  if (!description) return failed(problem!);
  const adapter = FAMILIES.get(family);
  const unsupported = adapter ? adapter.unsupported(description) : 'this family is not built yet';
  if (!adapter || unsupported !== null) {
    return { family, case: description.case, backend, status: 'unsupported', worst: { tensor: null, error: null }, reason: unsupported ?? '' };
  }
  tf.engine().startScope();
  try {
    const golden = await GoldenCase.read(reference.jsonPath);
    return compareCase(golden, backend, adapter.run(golden), (name) => adapter.gap?.(golden, name) ?? 0);
  } catch (error) {
    return failed(oneLine(error));
  } finally {
    tf.engine().endScope();
  }
}

/**
 * Compares this implementation with golden cases on each backend: every output, state and gradient a case stores, by the bounds of
 * `tooling/testing/src/tolerances.ts`.
 *
 * @returns One entry for each case and backend. A malformed case fails with its reason; a family without an adapter is `unsupported`.
 * @throws FileError if the folder does not exist or holds no case; ConfigError if `families` names one it does not have; BackendError or
 * DependencyError if a backend asked for by name, or listed in MAMBA360_REQUIRE_BACKENDS, does not start.
 */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  const { folder, backends, families, kernels, deterministic, onProgress } = options;
  const found = (await stat(folder).catch(() => null))?.isDirectory() ? await findGoldenCases(folder) : null;
  if (!found) throw new FileError(`verify: ${folder} is not a folder, expected one with golden cases (<case>.json beside <case>.safetensors). Check the path.`);
  if (found.length === 0) throw new FileError(`verify: ${folder} holds no golden case, expected <case>.json beside <case>.safetensors at any depth. Check the path.`);
  const all = await Promise.all(found.map(examine));
  const known = new Set(all.map(({ family }) => family));
  const missing = families?.filter((family) => !known.has(family)) ?? [];
  if (missing.length > 0) throw new ConfigError(`verify: family ${missing.join(', ')} was asked for, expected one of ${[...known].sort().join(', ')}. Leave it out to run all.`);
  const work = families ? all.filter(({ family }) => families.includes(family)) : all;

  const cases: VerifyCase[] = [];
  const used: { name: string; target: string; instructionSet: string }[] = [];
  const skippedBackends: { name: string; reason: string }[] = [];
  const names = backends ?? BACKEND_NAMES;
  for (const name of names) {
    try {
      const report = await useBackend({ name, kernels, deterministic });
      used.push({ name, target: report.kernels.target, instructionSet: report.kernels.instructionSet });
    } catch (error) {
      if (backends || requiredBackends().includes(name)) throw error;
      skippedBackends.push({ name, reason: oneLine(error) });
      continue;
    }
    for (const item of work) {
      const last = await runCase(item, name);
      cases.push(last);
      onProgress?.({ done: cases.length, total: work.length * (names.length - skippedBackends.length), last });
    }
  }
  const count = (status: VerifyCase['status']): number => cases.filter((item) => item.status === status).length;
  return { cases, summary: { pass: count('pass'), fail: count('fail'), unsupported: count('unsupported'), backends: used, skippedBackends } };
}
