import { ConfigError, DataError } from '@mamba360/ssm/errors';
import { detectTimeFormat } from './parse-time.ts';
import type { ParsedTime, TimeFormat } from './parse-time.ts';

/** Which column plays which part. */
export interface ColumnOptions {
  /** Column of the series id. Default: `unique_id` where there is one, else all rows are one series. */
  readonly id?: string;
  /** Column of the stamps, or several (`['year', 'month', 'day', 'hour']`), or `null` to number the rows. Default: found. */
  readonly time?: string | readonly string[] | null;
  /** Columns to forecast. Default: `y` where there is one, else every numeric column that plays no other part. */
  readonly target?: string | readonly string[];
  /** Numeric columns to keep beside the targets. Default: the other numeric columns. */
  readonly covariates?: readonly string[];
  /** Text columns constant within a series. Default: none. */
  readonly labels?: readonly string[];
  /** `.` or `,`. Default: found. */
  readonly decimal?: '.' | ',';
}

/** Roles by position. */
export interface Columns {
  readonly names: readonly string[];
  readonly id: number;
  readonly time: readonly number[];
  readonly timeName: string;
  readonly readTime: (cells: readonly string[]) => ParsedTime | undefined;
  readonly timeHint: string;
  readonly targets: readonly number[];
  readonly covariates: readonly number[];
  readonly labels: readonly number[];
  readonly decimal: '.' | ',';
  /** The caller said that a point is the decimal mark, so `1,100` is a thousand and a hundred. */
  readonly grouped: boolean;
  readonly notes: readonly string[];
}

const TIME_NAMES = /^(ds|date|time|datetime|date_?time|timestamp|time_?stamp|month|year|day|period|week|quarter|index)$/i;
const TIME_PARTS = ['year', 'quarter', 'month', 'day', 'hour', 'minute', 'second'];
const ROW_NUMBER_NAMES = /^(|no|nr|index|row|rownum|row_?id|unnamed: 0)$/i;
const MISSING = new Set(['', 'na', 'n/a', 'nan', 'null', 'none', '-', '?', 'nil', '#n/a', '.']);

/** Thousands apart by commas, unmistakable only with two groups or a decimal point. */
const GROUPED = /^[+-]?\d{1,3}(?:(?:,\d{3})+\.\d+|(?:,\d{3}){2,})$/;

const ONE_GROUP = /^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?$/;

/** `1.234,5` and `3,5` with a point; `1.5` in a file of decimal commas is not a number. */
function withPoint(text: string): string {
  if (!text.includes('.')) return text.replace(',', '.');
  return /^[+-]?\d{1,3}(\.\d{3})+(,\d+)?$/.test(text) ? text.replace(/\./g, '').replace(',', '.') : 'text';
}

/** A cell as a number: NaN for the usual marks of a missing value, undefined for text. With `grouped` a single comma before three digits parts thousands. */
export function readNumber(cell: string, decimal: '.' | ',', grouped = false): number | undefined {
  const text = cell.trim();
  const value = Number(decimal === ',' ? withPoint(text) : /,/.test(text) && (grouped ? ONE_GROUP : GROUPED).test(text) ? text.replace(/,/g, '') : text);
  // Number() also takes '', hexadecimal and Infinity; none of these is a measured value.
  if (Number.isFinite(value) && text !== '' && !/^[+-]?0[xob]/i.test(text)) return value;
  return MISSING.has(text.toLowerCase()) ? Number.NaN : undefined;
}

/**
 * Give every column its part, from the options, the names and the first rows.
 *
 * @throws DataError for a column that is not there, or where no time column or no numeric column can be found.
 */
export function assignColumns(names: readonly string[], sample: readonly (readonly string[])[], options: ColumnOptions, file: string): Columns {
  const notes: string[] = [];
  const find = (name: string, role: string): number => {
    const position = names.indexOf(name);
    if (position >= 0) return position;
    throw new DataError(`readCsv: ${file} has no column "${name}" (${role}), it has ${list(names)}. Check the spelling.`);
  };
  const column = (position: number): string[] => sample.map(cells => cells[position]?.trim() ?? '').filter(cell => cell !== '');
  const id = options.id === undefined ? names.findIndex(name => name === 'unique_id') : find(options.id, 'id');
  const labels = (options.labels ?? []).map(name => find(name, 'label'));
  const given = new Set([id, ...labels, ...asList(options.target).map(name => find(name, 'target')), ...(options.covariates ?? []).map(name => find(name, 'covariate'))]);
  const time = findTime(names, column, given, options, find, file);
  if (time.note) notes.push(time.note);
  const decimal = options.decimal ?? detectDecimal(names, column);
  if (decimal !== '.' && decimal !== ',') throw new ConfigError(`readCsv: got decimal "${String(decimal)}", expected "." or ",".`);
  const grouped = options.decimal === '.';
  const taken = new Set([id, ...labels, ...time.positions]);
  const numeric = names.map((_, position) => position).filter(position => !taken.has(position) && isNumeric(column(position), decimal, grouped) && !isRowNumber(names[position], column(position)));
  let targets = asList(options.target).map(name => find(name, 'target'));
  const twice = targets.find((position, index) => targets.indexOf(position) !== index);
  if (twice !== undefined) throw new ConfigError(`readCsv: target names the column "${names[twice]}" twice, expected once. Leave one out.`);
  const asked = targets.length > 0;
  if (!asked) targets = names.includes('y') && numeric.includes(names.indexOf('y')) ? [names.indexOf('y')] : numeric.filter(position => !options.covariates?.includes(names[position]));
  if (targets.length === 0) throw new DataError(`readCsv: ${file} has no numeric column besides the time, it has ${list(names)}. Name the column to forecast (target).`);
  const covariates = options.covariates ? options.covariates.map(name => find(name, 'covariate')) : numeric.filter(position => !targets.includes(position));
  if (decimal === ',' && options.decimal === undefined) notes.push(...ambiguousThousands(names, [...targets, ...covariates], column));
  return { names, id, time: time.positions, timeName: time.name, readTime: time.read, timeHint: time.hint, targets, covariates, labels, decimal, grouped, notes };
}

interface FoundTime { positions: number[]; name: string; read: (cells: readonly string[]) => ParsedTime | undefined; hint: string; note?: string }

function findTime(
  names: readonly string[], column: (position: number) => string[], given: ReadonlySet<number>, options: ColumnOptions,
  find: (name: string, role: string) => number, file: string,
): FoundTime {
  if (options.time === null) {
    let row = -1;
    return { positions: [], name: 'step', read: () => ({ instant: ++row }), hint: 'a row number' };
  }
  if (options.time !== undefined && typeof options.time !== 'string') return timeFromParts(options.time.map(name => find(name, 'time')), names);
  if (typeof options.time === 'string') {
    const position = find(options.time, 'time');
    const format = detectTimeFormat(column(position)) ?? mostCommonFormat(column(position));
    if (format) return timeFromColumn(position, format, names);
    throw new DataError(
      `readCsv: ${file}, column "${options.time}" holds ${list(column(position).slice(0, 3))}, expected times such as 2024-05-31, 2024-05-31 14:00:00, 5/31/2024, 2024-05 or epoch seconds. `
      + 'Name another time column, or number the rows (time: null, on the command line --time none).');
  }
  const candidates = names.map((_, position) => position).filter(position => !given.has(position));
  const parts = TIME_PARTS.map(part => candidates.find(position => names[position].toLowerCase() === part)).filter(position => position !== undefined);
  const hasParts = parts.length > 1 && names[parts[0]].toLowerCase() === 'year';
  if (hasParts) return { ...timeFromParts(parts, names), note: `time put together from ${list(parts.map(position => names[position]))}` };
  const named = candidates.filter(position => TIME_NAMES.test(names[position]));
  for (const position of [...named, ...candidates.filter(one => !named.includes(one))]) {
    const cells = column(position);
    const format = detectTimeFormat(cells) ?? (named.includes(position) ? mostCommonFormat(cells) : undefined);
    if (!format || cells.length === 0) continue;
    // Plain numbers are a time only under a name that says so: a column of house prices holds valid years too.
    if (format.numeric && !named.includes(position)) continue;
    if (format.name === 'M/D/YYYY' && column(position).every(cell => detectTimeFormatDayFirst(cell))) {
      return { ...timeFromColumn(position, format, names), note: `column "${names[position]}" read as month/day/year` };
    }
    return timeFromColumn(position, format, names);
  }
  throw new DataError(
    `readCsv: ${file} has no column of times, it has ${list(names)}; expected one with values such as 2024-05-31, 2024-05-31 14:00:00, 5/31/2024 or 2024-05. `
    + 'Name it (time, on the command line --time), or number the rows (time: null, --time none).');
}

function detectTimeFormatDayFirst(cell: string): boolean {
  return Number(/^\d+/.exec(cell)?.[0]) <= 12 && Number(/^\d+\D(\d+)/.exec(cell)?.[1]) <= 12;
}

/** Where some cell is broken, the format of the first cell still tells how to read the others, and the bad row gets named. */
function mostCommonFormat(cells: readonly string[]): TimeFormat | undefined {
  const format = detectTimeFormat(cells.slice(0, 1));
  return format && cells.filter(cell => format.parse(cell)).length * 2 >= cells.length ? format : undefined;
}

function timeFromColumn(position: number, format: TimeFormat, names: readonly string[]): FoundTime {
  return { positions: [position], name: names[position], read: cells => format.parse(cells[position]?.trim() ?? ''), hint: `a time written as ${format.name}` };
}

function timeFromParts(positions: number[], names: readonly string[]): FoundTime {
  const roles = positions.map(position => TIME_PARTS.indexOf(names[position].toLowerCase()));
  if (roles.includes(-1) || roles[0] !== 0) {
    throw new DataError(`readCsv: got the time columns ${list(positions.map(position => names[position]))}, expected names out of ${list(TIME_PARTS)}, starting with year.`);
  }
  const read = (cells: readonly string[]): ParsedTime | undefined => {
    const part = [1970, 0, 1, 1, 0, 0, 0];
    for (let index = 0; index < positions.length; index++) {
      const text = cells[positions[index]]?.trim() ?? '';
      if (!/^\d+$/.test(text)) return undefined;
      part[roles[index]] = Number(text);
    }
    const [year, quarter, month, day, hour, minute, second] = part;
    const wall = Date.UTC(year, (quarter > 0 ? quarter * 3 - 2 : month) - 1, day, hour, minute, second);
    const date = new Date(wall);
    const valid = quarter <= 4 && month >= 1 && month <= 12 && hour < 24 && minute < 60 && second < 60 && date.getUTCDate() === day;
    return valid ? { wall } : undefined;
  };
  return { positions, name: 'ds', read, hint: `a date in the columns ${list(positions.map(position => names[position]))}` };
}

/** Mostly numbers: a stray word in such a column is then reported with its line and does not make the column vanish. */
function isNumeric(cells: readonly string[], decimal: '.' | ',', grouped: boolean): boolean {
  let numbers = 0, words = 0;
  for (const cell of cells) {
    const value = readNumber(cell, decimal, grouped);
    if (value === undefined) words++;
    else if (!Number.isNaN(value)) numbers++;
  }
  return numbers > words;
}

function isRowNumber(name: string, cells: readonly string[]): boolean {
  return ROW_NUMBER_NAMES.test(name) && cells.length > 1 && cells.every((cell, index) => Number(cell) === Number(cells[0]) + index);
}

function detectDecimal(names: readonly string[], column: (position: number) => string[]): '.' | ',' {
  let comma = 0, point = 0;
  names.forEach((_, position) => {
    for (const cell of column(position)) {
      if (/^[+-]?\d+,\d+$/.test(cell)) comma++;
      else if (/^[+-]?\d+\.\d+$/.test(cell)) point++;
    }
  });
  return comma > point ? ',' : '.';
}

/** Where every comma of a file stands before exactly three digits, decimal comma and thousands look the same. */
function ambiguousThousands(names: readonly string[], positions: readonly number[], column: (position: number) => string[]): string[] {
  const withComma = positions.flatMap(position => column(position).filter(cell => cell.includes(',')).map(cell => ({ position, cell })));
  if (withComma.length === 0 || !withComma.every(({ cell }) => /^[+-]?[1-9]\d{0,2},\d{3}$/.test(cell))) return [];
  const { position, cell } = withComma[0];
  return [`column "${names[position]}": "${cell}" read as ${readNumber(cell, ',')}, with a decimal comma; where the comma parts thousands, say decimal "." (on the command line --decimal .)`];
}

function asList(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === 'string' ? [value] : value;
}

function list(words: readonly string[]): string {
  const shown = words.slice(0, 12).map(word => `"${word.length > 40 ? `${word.slice(0, 40)}...` : word}"`).join(', ');
  return words.length > 12 ? `${shown} and ${words.length - 12} more` : shown;
}
