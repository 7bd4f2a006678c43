import Papa from 'papaparse';
import { AbortedError, ConfigError, FileError } from '@mamba360/ssm/errors';
import { openSource } from './csv-source.ts';
import type { CsvSource } from './csv-source.ts';

/** One record of a CSV file. */
export interface CsvRecord {
  /** Line of the file on which the record starts, from 1. */
  readonly line: number;
  readonly cells: readonly string[];
}

export interface CsvRecordOptions {
  /** One character; found from the first lines where absent. */
  readonly delimiter?: string;
  /** Default: `"`. */
  readonly quote?: string;
  /** Default: UTF-8, or what the byte order mark says. */
  readonly encoding?: string;
  /** Longest record in characters. A file without line breaks stops here and not at the end of the memory. Default: 1,048,576. */
  readonly maximumRecordLength?: number;
  readonly signal?: AbortSignal | undefined;
}

/** The records of a file, and what was found out about its form. */
export interface CsvRecords { readonly name: string; readonly delimiter: string; readonly records: AsyncGenerator<CsvRecord> }

const DELIMITERS = [',', ';', '\t', '|'];

/**
 * Read a CSV file record by record with bounded memory: one chunk, and at most one record more, is held at a time.
 *
 * @throws FileError where the file is empty, binary, in another encoding, or has a record longer than the limit.
 * @throws AbortedError when `signal` fires, at the next chunk.
 */
export async function openCsv(source: CsvSource, options: CsvRecordOptions = {}): Promise<CsvRecords> {
  if (options.delimiter !== undefined && (options.delimiter.length !== 1 || /[\r\n"]/.test(options.delimiter))) {
    throw new ConfigError(`readCsv: delimiter: got ${JSON.stringify(options.delimiter)}, expected one character such as a comma, a semicolon or a tab.`);
  }
  const { name, chunks } = openSource(source, options.signal);
  const texts = decode(chunks, name, options.encoding);
  let text = '';
  for (let next = await texts.next(); !next.done && text.trim() === ''; next = await texts.next()) {
    text = next.value;
    if (text.trim() !== '') break;
  }
  if (text.trim() === '') throw new FileError(`readCsv: ${name} is empty, expected a header line and rows. Check the path, or write the file again.`);
  const delimiter = options.delimiter ?? detectDelimiter(text);
  return { name, delimiter, records: parseRecords(prepend(text, texts), name, delimiter, options) };
}

async function* prepend(text: string, rest: AsyncGenerator<string>): AsyncGenerator<string> {
  try {
    yield text;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

async function* decode(chunks: AsyncIterable<Uint8Array>, name: string, encoding?: string): AsyncGenerator<string> {
  let decoder: TextDecoder | undefined;
  for await (const chunk of chunks) {
    decoder ??= decoderFor(chunk, name, encoding);
    let text: string;
    try {
      text = decoder.decode(chunk, { stream: true });
    } catch (cause) {
      throw new FileError(`readCsv: ${name} is not valid ${decoder.encoding}. Say its encoding (encoding: "windows-1252", on the command line --encoding windows-1252), or save it as UTF-8; where it is no text, export it as CSV first.`, { cause });
    }
    if (text.includes('\0')) throw new FileError(`readCsv: ${name} holds zero bytes, so it is a binary file, expected text. Export it as CSV first.`);
    if (text !== '') yield text;
  }
  try {
    decoder?.decode();
  } catch (cause) {
    throw new FileError(`readCsv: ${name} ends in the middle of a character. The file is cut off: fetch it again.`, { cause });
  }
}

function decoderFor(chunk: Uint8Array, name: string, encoding?: string): TextDecoder {
  if (encoding === undefined) {
    if (chunk[0] === 0xff && chunk[1] === 0xfe) encoding = 'utf-16le';
    else if (chunk[0] === 0xfe && chunk[1] === 0xff) encoding = 'utf-16be';
  }
  try {
    return new TextDecoder(encoding ?? 'utf-8', { fatal: true });
  } catch (cause) {
    throw new FileError(`readCsv: got the encoding "${encoding}" for ${name}, which this engine does not know. Use utf-8, utf-16le or windows-1252.`, { cause });
  }
}

/** The delimiter that gives the first lines the most equal number of cells, at least two; a comma for a single column. */
function detectDelimiter(text: string): string {
  const lines = text.split(/\r\n|\n|\r/, 21).filter(line => line.trim() !== '' && line.length < 100_000);
  let best = ',', bestScore = 0;
  for (const delimiter of DELIMITERS) {
    const rows = Papa.parse<string[]>(lines.join('\n'), { delimiter, preview: 20 }).data;
    const widths = (rows.length > 1 ? rows.slice(0, -1) : rows).map(row => row.length);
    const width = widths[0] ?? 1;
    const score = width < 2 ? 0 : widths.filter(one => one === width).length / widths.length + width / 1e6;
    if (score > bestScore) [best, bestScore] = [delimiter, score];
  }
  return best;
}

async function* parseRecords(texts: AsyncGenerator<string>, name: string, delimiter: string, options: CsvRecordOptions): AsyncGenerator<CsvRecord> {
  const limit = options.maximumRecordLength ?? 1_048_576;
  const quote = options.quote ?? '"';
  let newline: Newline | undefined;
  const parser = (text: string, last: boolean): { data: string[][]; cursor: number } => {
    newline ??= findNewline(text, quote);
    const result = new Papa.Parser({ delimiter, quoteChar: quote, newline: newline ?? '\n' }).parse(text, 0, !last) as Papa.ParseResult<string[]>;
    return { data: result.data, cursor: result.meta.cursor };
  };
  let carry = '', line = 1;
  try {
    for await (const text of texts) {
      if (options.signal?.aborted) throw new AbortedError();
      carry += text;
      // A carriage return at the very end may be half of a line break: wait for the next chunk.
      const ready = carry.endsWith('\r') ? carry.slice(0, -1) : carry;
      const { data, cursor } = parser(ready, false);
      const consumed = carry.slice(0, cursor);
      carry = carry.slice(cursor);
      yield* withLines(data, line);
      line += countBreaks(consumed);
      if (carry.length > limit) {
        throw new FileError(
          `readCsv: ${name} has a record of more than ${limit} characters starting at line ${line}, expected lines. `
          + 'It is not a CSV file, or a quotation mark is never closed there.');
      }
    }
    if (carry.trim() !== '') yield* withLines(parser(carry, true).data, line);
  } finally {
    await texts.return(undefined);
  }
}

type Newline = '\r\n' | '\n' | '\r';

/** The first line break outside quotation marks decides for the whole file. */
function findNewline(text: string, quote: string): Newline | undefined {
  let quoted = false;
  for (let index = 0; index < text.length; index++) {
    const letter = text[index];
    if (letter === quote) quoted = !quoted;
    else if (quoted) continue;
    else if (letter === '\n') return '\n';
    else if (letter === '\r') return text[index + 1] === '\n' ? '\r\n' : '\r';
  }
  return undefined;
}

function* withLines(data: readonly string[][], start: number): Generator<CsvRecord> {
  let line = start;
  for (const cells of data) {
    const blank = cells.length === 1 && cells[0].trim() === '';
    if (!blank) yield { line, cells };
    line += 1 + cells.reduce((sum, cell) => sum + (cell.includes('\n') || cell.includes('\r') ? countBreaks(cell) : 0), 0);
  }
}

function countBreaks(text: string): number {
  return text.match(/\r\n|\n|\r/g)?.length ?? 0;
}
