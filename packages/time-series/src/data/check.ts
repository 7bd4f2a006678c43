import { DataError } from '@mamba360/ssm/errors';
import { formatTime } from './format-time.ts';
import { formatFrequency, parseFrequency, stepsBetween } from './frequency.ts';
import type { Frequency } from './frequency.ts';
import type { Series, Table } from './table.ts';

export interface CheckOptions {
  /** Distance between rows. Default: found from the stamps. */
  readonly frequency?: string | Frequency;
  /** Rows a series must have, such as input size + horizon. Default: 2. */
  readonly minimumLength?: number;
  /** Columns looked at. Default: targets and covariates. */
  readonly columns?: readonly string[];
}

export type ProblemKind = 'duplicate' | 'off-grid' | 'gap' | 'missing-value' | 'short' | 'constant';

/** One kind of trouble in one series (and column). */
export interface Problem {
  readonly kind: ProblemKind;
  readonly id: string;
  readonly column?: string;
  /** How many stamps or values are concerned; for `short` the rows there are. */
  readonly count: number;
  /** First bad stamp, as text; the first missing one for a gap. */
  readonly firstTime: string;
  /** Line in the file, where the table came from one. */
  readonly row?: number;
  /** What to do about it. */
  readonly fix: string;
}

/** Result of `table.check()`. `toString()` is one line a problem. */
export class CheckReport {
  readonly frequency: Frequency;
  readonly problems: readonly Problem[];

  constructor(frequency: Frequency, problems: readonly Problem[]) {
    this.frequency = frequency;
    this.problems = problems;
  }

  get ok(): boolean {
    return this.problems.length === 0;
  }

  of(...kinds: ProblemKind[]): Problem[] {
    return this.problems.filter(problem => kinds.includes(problem.kind));
  }

  toString(): string {
    if (this.ok) return `No problems at frequency ${formatFrequency(this.frequency)}.`;
    return this.problems.map(describe).join('\n');
  }

  /**
   * Stop where there are problems of these kinds.
   *
   * @throws DataError with the first problem, how many more there are, and the way out.
   */
  assertNo(...kinds: ProblemKind[]): void {
    const found = this.of(...kinds);
    if (found.length === 0) return;
    const more = found.length > 1 ? ` (and ${found.length - 1} more problem${found.length > 2 ? 's' : ''}: call check() for the list)` : '';
    throw new DataError(`${describe(found[0])}${more}`);
  }
}

/** See `Table.check`. */
export function checkTable(table: Table, options: CheckOptions): CheckReport {
  const columns = options.columns ?? [...table.targets, ...table.covariates];
  if (table.series.length === 0) throw new DataError('check: the table has no rows, expected at least one series. Read another file, or look at its filter.');
  const duplicates = table.series.flatMap(series => duplicateStamps(series, table));
  const frequency = options.frequency === undefined ? frequencyOrDuplicates(table, duplicates) : parseFrequency(options.frequency);
  const problems: Problem[] = [...duplicates];
  for (const series of table.series) {
    problems.push(...gridProblems(series, frequency, table));
    for (const column of columns) problems.push(...valueProblems(series, column, frequency, table));
    const minimum = options.minimumLength ?? 2;
    if (series.times.length < minimum) {
      problems.push({
        kind: 'short', id: series.id, count: series.times.length, firstTime: formatTime(series.times[0], frequency, table.zone),
        fix: `it needs ${minimum}: give more rows, or ask for a smaller input size or horizon`,
      });
    }
  }
  return new CheckReport(frequency, problems);
}

/** Where stamps repeat and no frequency can be found, the repetition is the thing to report. */
function frequencyOrDuplicates(table: Table, duplicates: readonly Problem[]): Frequency {
  try {
    return table.frequency;
  } catch (error) {
    if (duplicates.length > 0) throw new DataError(describe(duplicates[0]), { cause: error });
    throw error;
  }
}

function duplicateStamps(series: Series, table: Table): Problem[] {
  let count = 0, first = -1;
  for (let row = 1; row < series.times.length; row++) {
    if (series.times[row] !== series.times[row - 1]) continue;
    if (count++ === 0) first = row;
  }
  if (count === 0) return [];
  return [{
    kind: 'duplicate', id: series.id, count, firstTime: formatTime(series.times[first], undefined, table.zone), ...rowOf(series, first),
    fix: 'name the column that tells the series apart (id), or fillGaps({ duplicates: "mean" | "first" | "last" })',
  }];
}

function gridProblems(series: Series, frequency: Frequency, table: Table): Problem[] {
  const { times } = series;
  let missing = 0, firstGap = -1, offGrid = 0, firstOff = -1;
  let anchor = 0;
  for (let row = 1; row < times.length; row++) {
    if (times[row] === times[row - 1]) continue;
    const steps = stepsBetween(times[anchor], times[row], frequency, table.zone);
    if (Number.isNaN(steps)) {
      if (offGrid++ === 0) firstOff = row;
      continue;
    }
    if (steps > 1) {
      missing += steps - 1;
      if (firstGap < 0) firstGap = row;
    }
    anchor = row;
  }
  const problems: Problem[] = [];
  if (offGrid > 0) {
    problems.push({
      kind: 'off-grid', id: series.id, count: offGrid, firstTime: formatTime(times[firstOff], undefined, table.zone), ...rowOf(series, firstOff),
      fix: `they do not follow the frequency ${formatFrequency(frequency)}: pass the right frequency, or resample`,
    });
  }
  if (missing > 0) {
    problems.push({
      kind: 'gap', id: series.id, count: missing, firstTime: `after ${formatTime(times[firstGap - 1], frequency, table.zone)}`, ...rowOf(series, firstGap),
      fix: 'fillGaps({ fill: "mask" }) adds them as missing values',
    });
  }
  return problems;
}

function valueProblems(series: Series, column: string, frequency: Frequency, table: Table): Problem[] {
  const values = series.values[column];
  let missing = 0, first = -1, seen = Number.NaN, constant = true;
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (!Number.isFinite(value)) {
      if (missing++ === 0) first = row;
    } else if (Number.isNaN(seen)) seen = value;
    else if (value !== seen) constant = false;
  }
  const problems: Problem[] = [];
  if (missing > 0) {
    problems.push({
      kind: 'missing-value', id: series.id, column, count: missing, firstTime: formatTime(series.times[first], frequency, table.zone), ...rowOf(series, first),
      fix: missing === values.length ? 'the column is empty: leave it out' : 'missing values are masked in training; fillGaps({ fill: "linear" }) fills them',
    });
  }
  if (constant && missing < values.length && values.length > 1) {
    problems.push({ kind: 'constant', id: series.id, column, count: values.length, firstTime: formatTime(series.times[0], frequency, table.zone), fix: 'nothing can be learned from it: leave it out' });
  }
  return problems;
}

function rowOf(series: Series, row: number): { row?: number } {
  return series.rows ? { row: series.rows[row] } : {};
}

const WORDS: Record<ProblemKind, (problem: Problem) => string> = {
  'duplicate': problem => `${problem.count} stamp${plural(problem)} repeat${problem.count === 1 ? 's' : ''}, first ${problem.firstTime}`,
  'off-grid': problem => `${problem.count} stamp${plural(problem)} off the grid, first ${problem.firstTime}`,
  'gap': problem => `${problem.count} row${plural(problem)} missing, first ${problem.firstTime}`,
  'missing-value': problem => `${problem.count} value${plural(problem)} missing, first at ${problem.firstTime}`,
  'short': problem => `${problem.count} row${plural(problem)} only`,
  'constant': problem => `all ${problem.count} values are equal`,
};

function plural(problem: Problem): string {
  return problem.count === 1 ? '' : 's';
}

function describe(problem: Problem): string {
  const where = `series "${problem.id}"${problem.column === undefined ? '' : `, column "${problem.column}"`}`;
  const line = problem.row === undefined ? '' : ` (line ${problem.row})`;
  return `${where}: ${WORDS[problem.kind](problem)}${line}; ${problem.fix}.`;
}
