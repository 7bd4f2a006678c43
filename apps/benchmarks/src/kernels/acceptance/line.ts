/** One bar of the issue that asked for the kernels, and what was measured. */
export interface AcceptanceLine {
  /** Number of the acceptance, such as `2`. */
  readonly acceptance: string;
  readonly name: string;
  readonly bar: string;
  /** Null where it could not be measured, then `shown` says why. */
  readonly figure: number | null;
  readonly shown: string;
  readonly met: boolean | null;
  readonly detail?: string;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;

/** A bar that a share must reach. */
export const atLeastShare = (acceptance: string, name: string, bar: number, share: number, detail?: string): AcceptanceLine =>
  ({ acceptance, name, bar: `>= ${Math.round(100 * bar)}%`, figure: share, shown: percent(share), met: share >= bar, ...(detail ? { detail } : {}) });

/** A bar that a deviation (0 = none) must stay under. */
export const atMostShare = (acceptance: string, name: string, bar: number, share: number, detail?: string): AcceptanceLine =>
  ({ acceptance, name, bar: `<= ${Math.round(100 * bar)}%`, figure: share, shown: percent(share), met: share <= bar, ...(detail ? { detail } : {}) });

export const atMost = (acceptance: string, name: string, bar: number, figure: number, detail?: string): AcceptanceLine =>
  ({ acceptance, name, bar: `<= ${bar}`, figure, shown: figure.toFixed(2), met: figure <= bar, ...(detail ? { detail } : {}) });

export const atLeast = (acceptance: string, name: string, bar: number, figure: number, detail?: string): AcceptanceLine =>
  ({ acceptance, name, bar: `>= ${bar}`, figure, shown: figure.toFixed(2), met: figure >= bar, ...(detail ? { detail } : {}) });

export const notMeasured = (acceptance: string, name: string, bar: string, why: string): AcceptanceLine => ({ acceptance, name, bar, figure: null, shown: why, met: null });

/** The lines as a table for the terminal. */
export function acceptanceTable(lines: readonly AcceptanceLine[]): string[] {
  const rows = [['', 'line', 'bar', 'figure', '', ''], ...lines.map(({ acceptance, name, bar, shown, met, detail }) => [acceptance, name, bar, shown, met === null ? 'not measured' : met ? 'met' : 'MISSED', detail ?? ''])];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd());
}
