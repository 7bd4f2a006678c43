import { gzipSync } from 'node:zlib';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { openCsv } from './csv-records.ts';
import { readCsv } from './read-csv.ts';
import { toCsv } from './to-csv.ts';
import { fromRows } from './from-rows.ts';
import { formatFrequency } from './frequency.ts';

const SMALL = 'date,sales\n2024-01-01,3\n2024-01-02,4\n2024-01-03,NA\n';
let folder: string;
beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), 'read-csv-')); });
afterAll(async () => { await rm(folder, { recursive: true }); });

async function message(work: Promise<unknown>): Promise<string> {
  const error = await work.then(() => undefined, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(Error);
  return `${(error as Error).name}: ${(error as Error).message}`;
}

describe('sources', () => {
  it('reads text, bytes, gzip, blobs, paths and addresses alike', async () => {
    const bytes = new TextEncoder().encode(SMALL);
    const path = join(folder, 'small.csv');
    await writeFile(path, bytes);
    const server = createServer((request, response) => {
      if (request.url === '/small.csv') response.end(SMALL);
      else response.writeHead(404).end();
    });
    await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve); });
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      for (const source of [SMALL, bytes, gzipSync(bytes), new Blob([SMALL]), path, pathToFileURL(path), `${address}/small.csv`]) {
        const table = await readCsv(source);
        expect([...table.series[0].values.sales]).toEqual([3, 4, Number.NaN]);
        expect([...table.rows()][1]).toEqual({ unique_id: 'series', date: '2024-01-02', sales: 4 });
      }
      expect(await message(readCsv(`${address}/other.csv`))).toMatch(/answered 404/);
    } finally {
      server.close();
    }
  });

  it('reads UTF-16 and other encodings', async () => {
    const utf16 = new Uint8Array(2 + SMALL.length * 2);
    utf16.set([0xff, 0xfe]);
    for (let index = 0; index < SMALL.length; index++) utf16[2 + index * 2] = SMALL.charCodeAt(index);
    expect((await readCsv(utf16)).rowCount).toBe(3);
    const latin = Uint8Array.from('date,größe\n2024-01-01,3\n', letter => letter.charCodeAt(0));
    expect(await message(readCsv(latin))).toMatch(/not valid utf-8.*windows-1252/);
    expect((await readCsv(latin, { encoding: 'windows-1252' })).targets).toEqual(['größe']);
  });
});

describe('forms of files', () => {
  it('finds delimiter, decimal comma and a byte order mark', async () => {
    const table = await readCsv('\uFEFFdate;a;b\r\n31.12.2023;1,5;1.234,5\r\n01.01.2024;-2,25;7\r\n');
    expect(table.targets).toEqual(['a', 'b']);
    expect([...table.series[0].values.a, ...table.series[0].values.b]).toEqual([1.5, -2.25, 1234.5, 7]);
    expect([...table.rows()][0].date).toBe('2023-12-31');
  });

  it('says how it read 1,100 where that could be thousands, and reads it as thousands when told', async () => {
    const text = 'date,a\n2024-01-01,"1,100"\n2024-01-02,"1,250"\n';
    const read = await readCsv(text);
    expect([...read.series[0].values.a]).toEqual([1.1, 1.25]);
    expect(read.notes).toEqual([expect.stringMatching(/^column "a": "1,100" read as 1.1, .* decimal "\." \(on the command line --decimal \.\)/)]);
    const told = await readCsv(text, { decimal: '.' });
    expect([...told.series[0].values.a]).toEqual([1100, 1250]);
    expect(told.notes).toEqual([]);
    expect((await readCsv('date;a\n2024-01-01;1,100\n2024-01-02;1,5\n')).notes).toEqual([]);
  });

  it('keeps ids with commas, quotes, line breaks and letters of any script apart', async () => {
    const table = await readCsv('unique_id,ds,y\n"a, ""b""",2024-01-01,1\n"line\nbreak",2024-01-01,2\nमाल,2024-01-01,3\n"a, ""b""",2024-01-02,4\n');
    expect(table.ids).toEqual(['a, "b"', 'line\nbreak', 'माल']);
    expect([...table.get('a, "b"').rows!]).toEqual([2, 6]);
  });

  it('puts the time together from parts and leaves row numbers out', async () => {
    const table = await readCsv('No,year,month,day,hour,pm2.5,wind\n1,2010,1,2,0,129,SE\n2,2010,1,2,1,148,NW\n3,2010,1,2,2,NA,cv\n');
    expect(table.targets).toEqual(['pm2.5']);
    expect(formatFrequency(table.frequency)).toBe('h');
    expect([...table.rows()][1].ds).toBe('2010-01-02 01:00:00');
    expect(table.notes).toEqual(['time put together from "year", "month", "day", "hour"']);
  });

  it('takes column names that are numbers as a header', async () => {
    expect((await readCsv('date,0,1\n2024-01-01,5,6\n2024-01-02,7,8\n')).targets).toEqual(['0', '1']);
  });

  it('reads files without header and without time', async () => {
    const table = await readCsv('0.5,1.5\n0.6,1.6\n', { time: null });
    expect(table.targets).toEqual(['column1', 'column2']);
    expect([...table.rows()][1]).toEqual({ unique_id: 'series', step: '1', column1: 0.6, column2: 1.6 });
    expect((await readCsv('A,2020-01-01,5\nA,2020-01-02,6\n')).targets).toEqual(['column3']);
  });

  it('makes one series of every column on request', async () => {
    const table = await readCsv('date,north,south\n2024-01-01,1,2\n2024-01-02,3,4\n', { wide: 'series' });
    expect(table.ids).toEqual(['north', 'south']);
    expect([...table.get('south').values.y]).toEqual([2, 4]);
  });

  it('sorts rows and reads the autumn hour that comes twice', async () => {
    const table = await readCsv('ds,y\n2024-01-03,3\n2024-01-01,1\n2024-01-02,2\n');
    expect([...table.series[0].values.y]).toEqual([1, 2, 3]);
    const autumn = await readCsv('ds,y\n2024-10-27 01:00,1\n2024-10-27 02:00,2\n2024-10-27 02:00,3\n2024-10-27 03:00,4\n', { timeZone: 'Europe/Berlin' });
    expect([...autumn.series[0].times].map((time, row, all) => (row === 0 ? 0 : (time - all[row - 1]) / 3_600_000))).toEqual([0, 1, 1, 1]);
  });

  it('gives the same records for any cut of the bytes', async () => {
    const cell = fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('"', '\n', '\r\n', ',', 'ü€😀', ''));
    const rows = fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 8 });
    await fc.assert(fc.asyncProperty(rows, fc.integer({ min: 1, max: 9 }), fc.constantFrom('\n', '\r\n'), async (table, size, newline) => {
      const quoted = table.map(([a, b]) => [`x${a}`, b].map(text => `"${text.replaceAll('"', '""')}"`).join(',')).join(newline) + newline;
      const bytes = new TextEncoder().encode(quoted);
      const cuts = new ReadableStream<Uint8Array>({
        start(controller) {
          for (let start = 0; start < bytes.length; start += size) controller.enqueue(bytes.slice(start, start + size));
          controller.close();
        },
      });
      const blob = Object.assign(new Blob([]), { stream: () => cuts });
      const { records } = await openCsv(blob, { delimiter: ',' });
      const got: string[][] = [];
      for await (const record of records) got.push([...record.cells]);
      expect(got).toEqual(table.map(([a, b]) => [`x${a}`, b]));
    }), { numRuns: 60 });
  });

  it('writes what it reads back', async () => {
    const table = fromRows([{ unique_id: 'a,b', ds: '2024-01-01', y: 1 }, { unique_id: 'a,b', ds: '2024-01-02', y: null }, { unique_id: 'c', ds: '2024-01-01', y: -3.5 }, { unique_id: 'c', ds: '2024-01-02', y: 1e-9 }]);
    expect(toCsv(await readCsv(toCsv(table)))).toBe(toCsv(table));
  });
});

describe('bad files', () => {
  it('an unreadable path, an empty file and a header alone', async () => {
    expect(await message(readCsv(join(folder, 'absent.csv')))).toMatch(/^FileError: .*cannot be read \(ENOENT.*Check the path/);
    expect(await message(readCsv(folder))).toMatch(/^FileError: .*EISDIR/);
    expect(await message(readCsv(new Uint8Array(0)))).toMatchInlineSnapshot(`"FileError: readCsv: the given bytes is empty, expected a header line and rows. Check the path, or write the file again."`);
    expect(await message(readCsv('\n\n  \n'))).toMatch(/is empty/);
    expect(await message(readCsv('date,y\n'))).toMatch(/header line and no rows/);
  });

  it('a binary file and a damaged gzip file', async () => {
    expect(await message(readCsv(Uint8Array.from([0x50, 0x4b, 3, 4, 0, 0, 8, 0])))).toMatch(/^FileError: .*binary/);
    expect(await message(readCsv(gzipSync(Buffer.from(SMALL)).subarray(0, 30)))).toMatch(/^FileError: .*cannot be unpacked/);
  });

  it('200 MB without a line break stop after the first megabyte', async () => {
    let read = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        read += 65_536;
        if (read > 200e6) controller.close();
        else controller.enqueue(new Uint8Array(65_536).fill(0x61));
      },
    });
    const blob = Object.assign(new Blob([]), { stream: () => stream });
    expect(await message(readCsv(blob))).toMatchInlineSnapshot(`"FileError: readCsv: the given blob has a record of more than 1048576 characters starting at line 1, expected lines. It is not a CSV file, or a quotation mark is never closed there."`);
    expect(read).toBeLessThan(2e6);
  });

  it('a quotation mark that is never closed', async () => {
    expect(await message(readCsv(`ds,y\n2024-01-01,1\n"2024-01-02,${'2\n'.repeat(600_000)}`))).toMatch(/starting at line 3/);
  });

  it('missing columns, bad cells, bad stamps, uneven rows', async () => {
    expect(await message(readCsv(SMALL, { target: 'sale' }))).toMatchInlineSnapshot(`"DataError: readCsv: the given text has no column "sale" (target), it has "date", "sales". Check the spelling."`);
    expect(await message(readCsv('date,y\n2024-01-01,1\n2024-01-02,-2e100\n'))).toBe('DataError: row 3, column "y": got -2e+100, expected a number between -1e100 and 1e100. Correct it, or choose a larger unit.');
    expect(await message(readCsv('date,__proto__\n2024-01-01,1\n'))).toMatch(/has a column named "__proto__".*Rename it/);
    expect(await message(readCsv('date,y,z\n2024-01-01,1,2\n', { target: ['y', 'y'] }))).toMatch(/target names the column "y" twice/);
    expect(await message(readCsv('date;y\n2024-01-01;1\n', { delimiter: ';;' }))).toMatch(/delimiter: got ";;", expected one character/);
    expect(await message(readCsv('date,y\n2024-01-01,1\n').then(table => table.frequency))).toMatch(/has 1 row, expected at least 2 different times/);
    expect(await message(readCsv('date,y\n2024-01-01,1\n2024-01-02,two\n2024-01-03,3\n'))).toMatchInlineSnapshot(`"DataError: readCsv: the given text, line 3, column "y": got "two", expected a number with decimal ".", or an empty cell where it is missing. Correct the cell, or leave the column out (target, covariates)."`);
    expect(await message(readCsv('date,y\n2024-01-01,1\n2024-02-30,2\n2024-01-03,3\n'))).toMatchInlineSnapshot(`"DataError: readCsv: the given text, line 3, time column "date": got "2024-02-30", expected a time written as iso. Correct or remove the line."`);
    expect(await message(readCsv('date,y\n2024-01-01,1\n2024-01-02,2,3\n'))).toMatch(/line 3 has 3 cells, expected 2/);
    expect(await message(readCsv('a,b\nx,1\ny,2\n'))).toMatch(/no column of times.*--time none/);
    expect(await message(readCsv('date,b\n2024-01-01,x\n2024-01-02,z\n'))).toMatch(/no numeric column/);
    expect(await message(readCsv('date,y,y\n2024-01-01,1,2\n'))).toMatch(/two columns named "y"/);
  });

  it('stops on a signal', async () => {
    const signal = AbortSignal.abort();
    expect(await message(readCsv(SMALL, { signal }))).toMatch(/^AbortedError/);
  });
});
