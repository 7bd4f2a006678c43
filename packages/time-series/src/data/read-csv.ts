import { DataError } from '@mamba360/ssm/errors';
import { assignColumns, readNumber } from './csv-columns.ts';
import type { ColumnOptions, Columns } from './csv-columns.ts';
import { openCsv } from './csv-records.ts';
import type { CsvRecord, CsvRecordOptions } from './csv-records.ts';
import type { CsvSource } from './csv-source.ts';
import { parseFrequency } from './frequency.ts';
import type { Frequency } from './frequency.ts';
import { detectTimeFormat } from './parse-time.ts';
import { TableBuilder } from './table-builder.ts';
import type { Series, Table } from './table.ts';
import { parseTimeZone } from './time-zone.ts';

export interface ReadCsvOptions extends ColumnOptions, CsvRecordOptions {
  /** Distance between rows. Default: found from the stamps when it is needed. */
  readonly frequency?: string | Frequency;
  /** Zone of stamps that hold no offset. Default: UTC. */
  readonly timeZone?: string;
  /** False for a file without a header line; columns are then `column1`, `column2`, ... Default: found. */
  readonly header?: boolean;
  /** `multivariate` keeps several targets as columns of one series; `series` makes one series of each. Default: `multivariate`. */
  readonly wide?: 'multivariate' | 'series';
}

const SAMPLE = 200;

/**
 * Read a CSV file into a table of series.
 *
 * @param source - path, address, CSV text, Blob or bytes; gzip is unpacked.
 * @returns the table, rows sorted by time within each series. `table.notes` says what was assumed.
 * @throws FileError where the file cannot be read, is empty, binary, or has no lines.
 * @throws DataError where a column is missing or a cell cannot be read; the message names line and column.
 * @remarks Streaming: memory is 8 bytes a number kept, whatever the text is.
 * @example
 * const table = await readCsv('date,sales\n2024-01-01,3\n2024-01-02,4\n');
 * table.targets; // ['sales']
 */
export async function readCsv(source: CsvSource, options: ReadCsvOptions = {}): Promise<Table> {
  const zone = parseTimeZone(options.timeZone ?? 'UTC');
  const frequency = options.frequency === undefined ? undefined : parseFrequency(options.frequency);
  const { name, records } = await openCsv(source, options);
  try {
    const sample: CsvRecord[] = [];
    for (let next = await records.next(); !next.done; next = await records.next()) {
      sample.push(next.value);
      if (sample.length > SAMPLE) break;
    }
    const headed = options.header ?? looksLikeHeader(sample);
    const names = headed ? headerNames(sample[0], name) : sample[0].cells.map((_, index) => `column${index + 1}`);
    const pending = headed ? sample.slice(1) : sample;
    if (pending.length === 0) throw new DataError(`readCsv: ${name} has a header line and no rows, expected at least one row.`);
    const columns = assignColumns(names, pending.map(record => record.cells), options, name);
    const kept = [...columns.targets, ...columns.covariates];
    const builder = new TableBuilder(kept.map(position => names[position]), zone);
    const values = new Float64Array(kept.length);
    for (const record of pending) addRecord(builder, record, columns, kept, values, name);
    for await (const record of records) addRecord(builder, record, columns, kept, values, name);
    const table = builder.build({
      targets: columns.targets.map(position => names[position]), covariates: columns.covariates.map(position => names[position]),
      idName: columns.id < 0 ? 'unique_id' : names[columns.id], timeName: columns.timeName, notes: columns.notes,
      frequency: options.time === null ? { unit: 'step', count: 1 } : frequency,
    });
    return options.wide === 'series' ? meltTargets(table) : table;
  } finally {
    await records.return(undefined);
  }
}

function addRecord(builder: TableBuilder, record: CsvRecord, columns: Columns, kept: readonly number[], values: Float64Array, file: string): void {
  const { cells, line } = record;
  if (cells.length !== columns.names.length) {
    throw new DataError(`readCsv: ${file}, line ${line} has ${cells.length} cells, expected ${columns.names.length} as in the header. Quote cells that hold the delimiter.`);
  }
  const time = columns.readTime(cells);
  if (!time) {
    const got = columns.time.map(position => `"${shorten(cells[position])}"`).join(', ');
    throw new DataError(`readCsv: ${file}, line ${line}, time column "${columns.timeName}": got ${got}, expected ${columns.timeHint}. Correct or remove the line.`);
  }
  for (let index = 0; index < kept.length; index++) {
    const value = readNumber(cells[kept[index]], columns.decimal, columns.grouped);
    if (value === undefined) {
      throw new DataError(
        `readCsv: ${file}, line ${line}, column "${columns.names[kept[index]]}": got "${shorten(cells[kept[index]])}", expected a number with decimal "${columns.decimal}", or an empty cell where it is missing. `
        + 'Correct the cell, or leave the column out (target, covariates).');
    }
    values[index] = value;
  }
  const labels: Record<string, string> = {};
  for (const position of columns.labels) labels[columns.names[position]] = cells[position];
  builder.add(columns.id < 0 ? 'series' : cells[columns.id], time, values, labels, line);
}

/** One series for each target; the id says which. */
function meltTargets(table: Table): Table {
  const single = table.series.length === 1;
  const series = table.series.flatMap(one => table.targets.map((target): Series => {
    const { [target]: y, ...rest } = one.values;
    const covariates = Object.fromEntries(Object.entries(rest).filter(([name]) => table.covariates.includes(name)));
    return { ...one, id: single ? target : `${one.id}/${target}`, values: { y, ...covariates } };
  }));
  return table.with(series, { targets: ['y'] });
}

/** A first line of names: a word stands above numbers or times, or it holds no number and no time at all. */
function looksLikeHeader(sample: readonly CsvRecord[]): boolean {
  const isWord = (cell: string): boolean => {
    const text = cell.trim();
    return readNumber(text, '.') === undefined && readNumber(text, ',') === undefined && detectTimeFormat([text]) === undefined;
  };
  const [first, ...rest] = sample;
  if (first.cells.every(cell => cell.trim() === '' || isWord(cell))) return true;
  return rest.length > 0 && first.cells.some((cell, index) => isWord(cell) && rest.every(record => !isWord(record.cells[index] ?? '')));
}

function headerNames(record: CsvRecord, file: string): string[] {
  const names = record.cells.map(cell => cell.trim());
  const repeated = names.find((name, index) => name !== '' && names.indexOf(name) !== index);
  if (names.includes('__proto__')) throw new DataError(`readCsv: ${file} has a column named "__proto__", which JavaScript keeps for itself. Rename it.`);
  if (repeated !== undefined) throw new DataError(`readCsv: ${file} has two columns named "${repeated}", expected different names. Rename one.`);
  return names;
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
