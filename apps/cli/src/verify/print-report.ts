import type { VerifyCase, VerifyReport, VerifyTensor } from './report.ts';

/** NaN and infinities have no JSON; they become null, as `worst.error` does. */
export function reportAsJson(report: VerifyReport): string {
  return JSON.stringify(report, (_key, value: unknown) => (typeof value === 'number' && !Number.isFinite(value) ? null : value), 2);
}

const figure = (value: number): string => (Number.isNaN(value) ? 'NaN' : value.toExponential(1));

function worstOf(item: VerifyCase): VerifyTensor | undefined {
  return item.tensors?.find((tensor) => tensor.name === item.worst.tensor);
}

function caseLines(item: VerifyCase): string[] {
  const title = `${item.status.padEnd(11)} ${item.backend.padEnd(10)} ${item.family}/${item.case}`;
  if (item.reason && !item.tensors) return [`${title}: ${item.reason}`];
  const worst = worstOf(item);
  const own = (item.tensors ?? []).filter((tensor) => tensor.suggested === false).length;
  const summary = worst
    ? `  worst ${worst.name}: absolute ${figure(worst.absolute)}, relative ${figure(worst.relative)}, bound ${figure(worst.bound)}${own > 0 ? `; ${own} beyond the case's own suggestion` : ''}`
    : '';
  const details = item.status === 'fail'
    ? (item.tensors ?? []).filter((tensor) => !(tensor.relative <= tensor.bound)).map((tensor) => `            ${tensor.name}: absolute ${figure(tensor.absolute)}, relative ${figure(tensor.relative)}, bound ${figure(tensor.bound)}`)
    : [];
  return [`${title}${summary}`, ...details];
}

/** Families that are not built yet take one line each and backend, not one a case. */
function unsupportedLines(cases: readonly VerifyCase[]): string[] {
  const counts = new Map<string, number>();
  for (const item of cases) {
    if (item.status !== 'unsupported') continue;
    const line = `unsupported ${item.backend.padEnd(10)} ${item.family}: ${item.reason ?? ''}`;
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  return [...counts].map(([line, count]) => `${line} (${count} ${count === 1 ? 'case' : 'cases'})`);
}

/** The report for people: a line for each case that ran, failed tensors in full, then the count. */
export function reportAsText(report: VerifyReport): string {
  const { cases, summary } = report;
  return [
    ...cases.filter((item) => item.status !== 'unsupported').flatMap(caseLines),
    ...unsupportedLines(cases),
    '',
    ...summary.backends.map(({ name, target, instructionSet }) => `backend ${name}: kernels ${target} (${instructionSet})`),
    ...summary.skippedBackends.map(({ name, reason }) => `backend ${name}: skipped, ${reason}`),
    `${summary.pass} passed, ${summary.fail} failed, ${summary.unsupported} unsupported`,
  ].join('\n');
}
