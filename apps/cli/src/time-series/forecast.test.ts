import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commands } from '../commands.ts';
import { runCommandLine } from '../frame/command-line.ts';

interface Run { code: number; out: string; error: string }

/** The command as a user types it, in this process. */
async function mamba360(...words: string[]): Promise<Run> {
  const run = { code: -1, out: '', error: '' };
  run.code = await runCommandLine(commands, words, { out: text => { run.out += text; }, error: text => { run.error += text; }, interactive: false }, new AbortController().signal);
  return run;
}

let folder: string;
beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), 'forecast-')); });
afterEach(async () => { await rm(folder, { recursive: true }); });

/** Daily sales with a week in them; a pattern that the seasonal naive forecast gets nearly right and a line does not. */
function sales(rows: number, change: (line: string, row: number) => string | string[] = line => line): string {
  const lines = Array.from({ length: rows }, (_, row) => {
    const day = new Date(Date.UTC(2023, 0, 1 + row)).toISOString().slice(0, 10);
    const value = 50 + 20 * Math.sin(row * 2 * Math.PI / 7) + 0.05 * row + ((row * 7919) % 13) / 3;
    return change(`${day},${value.toFixed(2)}`, row);
  }).flat();
  return `date,sales\n${lines.join('\n')}\n`;
}

async function file(text: string | Uint8Array, name = 'data.csv'): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

const QUICK = ['--fit', '--preset', 'tiny', '--epochs', '2', '--backend', 'cpu', '--seed', '1'];

describe('mamba360 forecast --fit', () => {
  it('prints scores beside the baselines and the forecast, writes plot, table and model, and uses the model again', async () => {
    const path = await file(sales(200));
    const [plot, output, save] = ['out.html', 'out.csv', 'model'].map(name => join(folder, name));
    const run = await mamba360('forecast', path, '--horizon', '7', ...QUICK, '--plot', plot, '--output', output, '--save', save);
    expect(run.error).toBe('');
    expect(run.code).toBe(0);
    for (const text of ['200 rows, 1 series, every D', 'Held-back tail: 4 windows of 7 rows', 'seasonal naive (7)', 'ridge on', 'coverage-95', 'Forecast of the next 7 rows', '2023-07-20']) expect(run.out).toContain(text);
    expect(await readFile(plot, 'utf8')).toMatch(/^<!doctype html>[\s\S]*<svg[\s\S]*interval/);
    expect((await readFile(output, 'utf8')).split('\n')[0]).toBe('unique_id,date,mean,lo-80,hi-80,lo-95,hi-95');
    const again = await mamba360('time-series', 'forecast', path, '--model', save, '--horizon', '7', '--json', '--backend', 'cpu');
    expect(again.code).toBe(0);
    const document = JSON.parse(again.out) as { model: { kind: string }; forecast: { mean: number; date: string }[]; heldBack: { scores: { method: string; mase: number }[] } };
    expect(document.model.kind).toBe('saved');
    expect(document.forecast).toHaveLength(7);
    const firstMean = Number((await readFile(output, 'utf8')).split('\n')[1].split(',')[2]);
    expect(document.forecast[0]).toMatchObject({ date: '2023-07-20', mean: firstMean });
    expect(document.heldBack.scores[0].mase).toBeLessThan(document.heldBack.scores.find(one => one.method === 'naive')!.mase);
  });

  it('takes several columns, ids with commas and quotes, and holes when told what they mean', async () => {
    const lines = sales(120).split('\n').slice(1, -1).flatMap((line, row) => (row === 30 ? [] : [`"a, ""b""",${line},${row === 40 ? '' : row % 9}`, `ünï,${line},${row % 5}`]));
    const path = await file(`shop,date,sales,visits\n${lines.join('\n')}\n`);
    const refused = await mamba360('forecast', path, '--id', 'shop', ...QUICK);
    expect(refused.code).toBe(2);
    expect(refused.error).toMatch(/series "a, "b"": 1 row missing, first after 2023-01-30.*--fill mask/);
    const run = await mamba360('forecast', path, '--id', 'shop', '--fill', 'mask', '--horizon', '7', ...QUICK, '--json');
    expect(run.code).toBe(0);
    const document = JSON.parse(run.out) as { series: number; targets: string[]; notes: string[]; forecast: object[] };
    expect(document).toMatchObject({ series: 2, targets: ['sales', 'visits'], notes: ['3 missing rows and values: masked', expect.stringContaining('"visits" was never below 0')] });
    expect(document.forecast).toHaveLength(2 * 2 * 7);
  });
});

describe('mamba360 forecast with the shipped model', () => {
  it('answers at once on a file it has never seen, names its training data and where it stands against seasonal naive', async () => {
    const example = new URL('../../../../packages/time-series/data/beijing-pm25-2013-2014.csv.gz', import.meta.url).pathname;
    const run = await mamba360('forecast', example, '--horizon', '24', '--fill', 'mask', '--backend', 'wasm', '--json');
    expect(run.code).toBe(0);
    const document = JSON.parse(run.out) as { model: { kind: string; trainedOn: string }; forecast: Record<string, number>[]; heldBack: { scores: { method: string; mase: number }[] } };
    expect(document.model.kind).toBe('shipped');
    expect(document.model.trainedOn).toMatch(/beijing-pm25.*nab.*generated/);
    expect(document.forecast).toHaveLength(4 * 24);
    const mase = (method: string): number => document.heldBack.scores.find(one => one.method.startsWith(method))!.mase;
    expect(mase('zero-shot')).toBeLessThan(0.8 * mase('seasonal naive'));
  });

  it('takes a smaller horizon where a season is longer than the file, and says so; reads other encodings', async () => {
    const minutes = Array.from({ length: 60 }, (_, row) => `2024-01-01 10:${String(row).padStart(2, '0')},${row % 5}`);
    const run = await mamba360('forecast', await file(Buffer.from(`Zeit,Größe\n${minutes.join('\n')}\n`, 'latin1')), '--encoding', 'windows-1252', '--backend', 'wasm', '--minimum', '0');
    expect(run.error).toBe('');
    expect(run.out).toContain('every min');
    expect(run.out).toContain('Note: 60 rows are few for the usual horizon of 1440: forecasting 12 (--horizon ROWS asks for another)');
    expect(run.out).toContain('forecasting Größe');
  });

  it('notes a forecast below 0 of a file that never was there, and clips it with --minimum', async () => {
    const path = await file(sales(120, (line, row) => `${line.slice(0, 10)},${row % 9 === 0 ? 9 : 0}`));
    const document = async (...words: string[]): Promise<{ forecast: Record<string, number>[]; notes: string[] }> => JSON.parse((await mamba360('forecast', path, '--backend', 'wasm', '--json', ...words)).out);
    const free = await document(), clipped = await document('--minimum', '0');
    expect(Math.min(...free.forecast.map(row => row['lo-95']))).toBeLessThan(0);
    expect(free.notes.join()).toContain('--minimum 0');
    expect(clipped.forecast.map(row => row['lo-95'])).toEqual(free.forecast.map(row => Math.max(0, row['lo-95'])));
    expect(clipped.notes).toEqual([]);
  });

  it('says where it loses to seasonal naive, and offers to fit', async () => {
    // A pattern without noise: the seasonal naive forecast is exact.
    const lines = Array.from({ length: 140 }, (_, row) => `${new Date(Date.UTC(2023, 0, 1 + row)).toISOString().slice(0, 10)},${[3, 9, 1, 7, 2, 8, 4][row % 7]}`);
    const run = await mamba360('forecast', await file(`date,sales\n${lines.join('\n')}\n`), '--horizon', '7', '--backend', 'wasm');
    expect(run.code).toBe(0);
    expect(run.out).toMatch(/It loses to .*seasonal naive.*--fit/s);
  });
});

describe('bad input: one paragraph, exit code 2, nothing written', () => {
  const cases: [string, string | Uint8Array, string[], RegExp][] = [
    ['a missing column', sales(60), ['--target', 'price'], /has no column "price" \(target\), it has "date", "sales"/],
    ['gaps', sales(60, (line, row) => (row === 20 || row === 21 ? [] : line)), [], /2 rows missing, first after 2023-01-20.*--fill mask/],
    ['duplicate stamps', sales(60, (line, row) => (row === 20 ? [line, line] : line)), [], /1 stamp repeats, first 2023-01-21 \(line 23\)/],
    ['NaN', sales(60, (line, row) => (row === 20 ? `${line.slice(0, 11)}NaN` : line)), [], /1 value missing, first at 2023-01-21 \(line 22\).*--fill mask/],
    ['a series shorter than the window', sales(10), ['--horizon', '7'], /"series" has 10 rows, expected at least 15/],
    ['a series too short for the input size', sales(60), ['--horizon', '7', '--input-size', '100'], /"series" has \d+ rows.*expected at least/],
    ['an empty file', '', [], /is empty/],
    ['a binary file', Uint8Array.from([0x50, 0x4b, 3, 4, 0, 0, 8, 0]), [], /binary/],
    ['a word among numbers', sales(60, (line, row) => (row === 20 ? `${line}x` : line)), [], /line 22, column "sales": got "[\d.]+x"/],
    ['one column only of words', 'date,y\n2024-01-01,a\n2024-01-02,b\n', [], /no numeric column/],
    ['all values missing', 'date,y\n2024-01-01,\n2024-01-02,NA\n', ['--target', 'y'], /2 values missing/],
    ['an unknown option', sales(60), ['--horizn', '7'], /--horizn.*--horizon/],
    ['an unknown option value', sales(60), ['--horizon', 'soon'], /--horizon is "soon", expected a whole number/],
    ['a level out of range', sales(60), ['--level', '80,120'], /--level is "80,120"/],
    ['an empty column', sales(60, line => `${line.slice(0, 10)},`), ['--target', 'sales'], /60 values missing, first at 2023-01-01 \(line 2\); the column is empty: leave it out \(--target\)\.\n$/],
    ['holes', sales(60, (line, row) => (row === 20 ? `${line.slice(0, 11)}` : line)), [], /\(line 22\); expected every row and value\. Say/],
    ['stamps that repeat', sales(60, (line, row) => (row === 20 ? [line, line] : line)), [], /\(line 23\); name the column that tells the series apart \(--id\), or leave one row a time in the file\.\n$/],
    ['a level in hexadecimal', sales(60), ['--level', '0x50'], /--level is "0x50"/],
    ['a minimum that is no number', sales(60), ['--minimum', 'none'], /--minimum is "none", expected a number/],
    ['a plot of unknown kind', sales(60), ['--plot', 'plot.pdf'], /ends in .html or .svg/],
    ['a wrong frequency', sales(60), ['--frequency', 'fortnight'], /frequency: got "fortnight"/],
  ];
  it.each(cases)('%s', async (_name, content, options, expected) => {
    const path = await file(content);
    const words = options.includes('--plot') ? options : [...options, '--plot', join(folder, 'plot.html')];
    const run = await mamba360('forecast', path, ...QUICK, ...words, '--output', join(folder, 'out.csv'), '--save', join(folder, 'model'));
    expect(run.error).toMatch(expected);
    expect(run.error.trim().split('\n')).toHaveLength(1);
    expect(run.error).not.toMatch(/ at .*\.ts:\d+/);
    expect(run.out).toBe('');
    expect(run.code).toBe(2);
    expect(await readdir(folder)).toEqual(['data.csv']);
  });

  it('an unreadable path, and --json keeps one document on standard output', async () => {
    const run = await mamba360('forecast', join(folder, 'absent.csv'), '--json');
    expect(run.code).toBe(2);
    expect(JSON.parse(run.out)).toMatchObject({ error: { code: 'file' } });
    expect((await mamba360('forecast', await file(sales(60)), '--model', join(folder, 'absent'))).error).toMatch(/config.json cannot be read/);
    expect((await mamba360('forecast', await file(sales(60)), '--save', 'x')).error).toMatch(/--save belongs to --fit/);
  });

  it('an output in no folder, a folder as output, the input as output: told before any work, and the others are not written', async () => {
    const path = await file(sales(100));
    const plot = join(folder, 'plot.html');
    for (const [words, expected] of [
      [['--output', join(folder, 'no', 'out.csv')], /--output .*out.csv cannot be written: there is no folder .*no\. Make it/],
      [['--output', folder], /cannot be written: it is a folder, expected a file/],
      [['--output', path], /--output is .*data.csv, and so is the file to forecast/],
      [['--output', plot], /--output is .*plot.html, and so is --plot/],
      [['--fit', '--save', path], /--save is .*data.csv, and so is the file/],
      [['--fit', '--save', join(path, 'model')], /cannot be written: there is no folder .*data.csv/],
    ] as const) {
      const run = await mamba360('forecast', path, '--plot', plot, ...words);
      expect(run.error).toMatch(expected);
      expect([run.code, run.out, await readdir(folder)]).toEqual([2, '', ['data.csv']]);
    }
    expect(await readFile(path, 'utf8')).toBe(sales(100));
  });

  it('a plot that cannot be written', async () => {
    const run = await mamba360('forecast', await file(sales(100)), '--horizon', '7', ...QUICK, '--plot', join(folder, 'no', 'such', 'folder.html'), '--save', join(folder, 'model'));
    expect(run.code).toBe(2);
    expect(run.error).toMatch(/cannot be written/);
    expect(await readdir(folder)).toEqual(['data.csv']);
  });
});
