import { DataError } from '@mamba360/ssm/errors';
import { parseFrequency } from './frequency.ts';
import type { Frequency } from './frequency.ts';
import { detectTimeFormat } from './parse-time.ts';
import type { ParsedTime } from './parse-time.ts';
import { TableBuilder } from './table-builder.ts';
import type { Table } from './table.ts';
import { parseTimeZone } from './time-zone.ts';

export interface FromRowsOptions {
  /** Default: `unique_id` where the rows have it. */
  readonly id?: string;
  /** Default: `ds`. */
  readonly time?: string;
  /** Default: `y`. */
  readonly target?: string | readonly string[];
  readonly covariates?: readonly string[];
  readonly labels?: readonly string[];
  readonly frequency?: string | Frequency;
  readonly timeZone?: string;
}

/** A row as users hold it: stamps as text, Date or epoch milliseconds. */
export type Row = Readonly<Record<string, string | number | Date | null | undefined>>;

/**
 * Make a table of plain objects.
 *
 * @throws DataError for a stamp that cannot be read or a value that is no number; the message names the row.
 * @example
 * fromRows([{ ds: '2024-01-01', y: 3 }, { ds: '2024-01-02', y: 4 }]).rowCount; // 2
 */
export function fromRows(rows: Iterable<Row>, options: FromRowsOptions = {}): Table {
  const time = options.time ?? 'ds';
  const targets = typeof options.target === 'string' ? [options.target] : options.target ?? ['y'];
  const covariates = options.covariates ?? [];
  const kept = [...targets, ...covariates];
  const builder = new TableBuilder(kept, parseTimeZone(options.timeZone ?? 'UTC'));
  const read = timeReader(time);
  let number = 0;
  for (const row of rows) {
    number++;
    const values = kept.map(column => {
      const value = row[column];
      if (value === null || value === undefined || value === '') return Number.NaN;
      const numeric = Number(value);
      if (Number.isNaN(numeric) && typeof value !== 'number') throw new DataError(`fromRows: row ${number}, column "${column}": got "${String(value)}", expected a number.`);
      return numeric;
    });
    const labels = Object.fromEntries((options.labels ?? []).map(name => [name, String(row[name])]));
    const id = row[options.id ?? 'unique_id'];
    builder.add(id === undefined || id === null ? 'series' : String(id), read(row, number), values, labels, number);
  }
  if (number === 0) throw new DataError('fromRows: got no rows, expected at least one.');
  const frequency = options.frequency === undefined ? undefined : parseFrequency(options.frequency);
  return builder.build({ targets, covariates, idName: options.id ?? 'unique_id', timeName: time, frequency });
}

/** Reads the stamp of a row; text keeps the format of the first row, so that 3/4 and 13/4 are not read two ways. */
export function timeReader(column: string): (row: Row, number: number) => ParsedTime {
  let parse: ((text: string) => ParsedTime | undefined) | undefined;
  return (row, number) => {
    const value = row[column];
    if (value instanceof Date && !Number.isNaN(value.getTime())) return { instant: value.getTime() };
    if (typeof value === 'number' && Number.isFinite(value)) return { instant: value };
    if (typeof value === 'string') {
      parse ??= detectTimeFormat([value.trim()])?.parse;
      const parsed = parse?.(value.trim()) ?? detectTimeFormat([value.trim()])?.parse(value.trim());
      if (parsed) return parsed;
    }
    throw new DataError(`row ${number}, column "${column}": got ${value === undefined ? 'nothing' : `"${String(value)}"`}, expected a time such as 2024-05-31 14:00:00, a Date or epoch milliseconds.`);
  };
}
