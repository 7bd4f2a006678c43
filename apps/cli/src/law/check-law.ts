import { useBackend } from '@mamba360/ssm/backend';
import type { BackendName } from '@mamba360/ssm/backend';
import { ConfigError } from '@mamba360/ssm/errors';
import { checkNewProcess, checkStateLaw, formatStateLaw, lawExempt, lawMembers } from '@mamba360/ssm/models';
import type { LawRow } from '@mamba360/ssm/models';
import { BACKEND_NAMES, BOUNDS, requiredBackends } from '@mamba360/testing';

export interface LawOptions {
  /** Named ones must start. Default: every one that starts. */
  readonly backends?: readonly BackendName[] | undefined;
  /** Names of members. Default: all. */
  readonly members?: readonly string[] | undefined;
  readonly seed?: number | undefined;
  readonly onProgress?: ((done: number, total: number, label: string) => void) | undefined;
}

/** One member under one property, with the answer. */
export interface LawVerdict extends LawRow {
  readonly status: 'pass' | 'fail';
}

export interface LawReport {
  readonly bounds: { readonly output: number; readonly state: number; readonly gradient: number };
  readonly backends: readonly { readonly name: string; readonly target: string; readonly rows: readonly LawVerdict[] }[];
  readonly skippedBackends: readonly { readonly name: string; readonly reason: string }[];
  /** Registered layers that the law does not bind. */
  readonly exempt: readonly string[];
  readonly summary: { readonly members: number; readonly pass: number; readonly fail: number };
}

/** By the table of bounds; a gradient that does not exist is not held against a row. */
export const holds = ({ output, state, gradient }: LawRow): boolean =>
  output <= BOUNDS.output && state <= BOUNDS.state && (gradient === null || gradient <= BOUNDS.gradient);

/**
 * The one law over the whole registry: members x properties with the worst error of each.
 *
 * @throws ConfigError for a member that is not registered; BackendError or DependencyError if a named backend does not start.
 */
export async function checkLaw({ backends, members, seed = 0, onProgress }: LawOptions = {}): Promise<LawReport> {
  const known = lawMembers().map(({ name }) => name);
  const missing = members?.filter((name) => !known.includes(name)) ?? [];
  if (missing.length > 0) throw new ConfigError(`verify --law: no member is called ${missing.join(', ')}, expected some of ${known.join(', ')}.`);
  const chosen = lawMembers().filter(({ name }) => members?.includes(name) ?? true);
  const reports: LawReport['backends'][number][] = [];
  const skippedBackends: { name: string; reason: string }[] = [];
  const names = backends ?? BACKEND_NAMES;
  for (const name of names) {
    let target = '';
    try {
      target = (await useBackend({ name })).kernels.target;
    } catch (error) {
      if (backends || requiredBackends().includes(name)) throw error;
      skippedBackends.push({ name, reason: (error instanceof Error ? error.message : String(error)).split('\n')[0]! });
      continue;
    }
    const rows: LawRow[] = [];
    for (const member of chosen) {
      rows.push(...await checkStateLaw(member, { seed }));
      onProgress?.(reports.length * chosen.length + rows.length / 11, names.length * chosen.length, `${name} ${member.name}`);
    }
    rows.push(...await checkNewProcess(name, { seed, members: chosen.map((member) => member.name) }));
    reports.push({ name, target, rows: rows.map((row) => ({ ...row, status: holds(row) ? 'pass' : 'fail' })) });
  }
  const all = reports.flatMap(({ rows }) => rows);
  const pass = all.filter(({ status }) => status === 'pass').length;
  return {
    bounds: { output: BOUNDS.output, state: BOUNDS.state, gradient: BOUNDS.gradient }, backends: reports, skippedBackends, exempt: lawExempt(),
    summary: { members: chosen.length, pass, fail: all.length - pass },
  };
}

/** The table of each backend, what failed, and what is exempt. */
export function printLaw({ backends, skippedBackends, bounds, exempt, summary }: LawReport): string {
  const tables = backends.map(({ name, target, rows }) => [
    `${name}, kernels ${target}`, formatStateLaw(rows, (row) => !holds(row)),
    ...rows.filter(({ status }) => status === 'fail').map(({ member, property, worst }) => `! ${member}, ${property}: ${worst}`),
  ].join('\n'));
  return [
    ...tables.flatMap((text) => [text, '']), ...skippedBackends.map(({ name, reason }) => `${name} was skipped: ${reason}`),
    `Error of a tensor = max|a - b| / max(max|b|, .001); at most ${bounds.output} for values, ${bounds.gradient} for gradients; ! misses it.`,
    `Exempt, with promises of their own: ${exempt.length === 0 ? 'none is registered' : exempt.join(', ')}.`,
    `${summary.members} members, ${summary.pass} hold, ${summary.fail} fail.`,
  ].join('\n');
}
