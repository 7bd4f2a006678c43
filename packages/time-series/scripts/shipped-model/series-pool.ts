import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** One series on a regular grid. Missing values are NaN. `seasons` are the periods in steps that the calendar suggests (0 = none). */
export interface PoolSeries {
  readonly name: string;
  readonly values: Float32Array;
  readonly seasons: readonly [number, number];
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Periods by step length: the same rule as the shipped model uses at inference. */
export function seasonsOfStep(stepMs: number): [number, number] {
  const day = Math.round((24 * HOUR) / stepMs);
  if (day > 512 || day < 2) return day === 1 ? [7, 0] : [0, 0];
  return [day, day * 7 <= 512 ? day * 7 : 0];
}

/** Mean of the values in each step of `stepMs`; empty steps become NaN. */
export function toGrid(times: readonly number[], values: readonly number[], stepMs: number): Float32Array {
  const start = Math.floor(times[0] / stepMs) * stepMs;
  const length = Math.floor((times[times.length - 1] - start) / stepMs) + 1;
  const sum = new Float64Array(length);
  const count = new Int32Array(length);
  for (let i = 0; i < times.length; i++) {
    const slot = Math.floor((times[i] - start) / stepMs);
    if (slot < 0 || slot >= length || !Number.isFinite(values[i])) continue;
    sum[slot] += values[i];
    count[slot]++;
  }
  return Float32Array.from({ length }, (_, i) => (count[i] > 0 ? sum[i] / count[i] : Number.NaN));
}

/** Files of a tar archive (ustar; enough for the data sets read here). */
function* tarEntries(archive: Buffer): Generator<{ name: string; text: () => string }> {
  for (let offset = 0; offset + 512 <= archive.length;) {
    const name = archive.toString('utf8', offset, offset + 100).replace(/\0.*$/s, '');
    if (name === '') return;
    const size = Number.parseInt(archive.toString('utf8', offset + 124, offset + 136), 8);
    const from = offset + 512;
    yield { name, text: () => archive.toString('utf8', from, from + size) };
    offset = from + Math.ceil(size / 512) * 512;
  }
}

/** Numenta Anomaly Benchmark (MIT): every series at its own step and averaged to an hour. Series whose index is `holdOut` mod 8 are left for validation. */
export function nabSeries(folder: string): { train: PoolSeries[]; held: PoolSeries[] } {
  const train: PoolSeries[] = [];
  const held: PoolSeries[] = [];
  let index = 0;
  for (const entry of tarEntries(gunzipSync(readFileSync(`${folder}/timeseries/nab/nab.tar.gz`)))) {
    if (!entry.name.endsWith('.csv')) continue;
    const rows = entry.text().trim().split('\n').slice(1).map((line) => line.split(','));
    const times = rows.map((row) => Date.parse(`${row[0].replace(' ', 'T')}Z`));
    const values = rows.map((row) => Number(row[1]));
    const gaps = times.slice(1).map((time, i) => time - times[i]).sort((a, b) => a - b);
    const step = Math.max(MINUTE, gaps[Math.floor(gaps.length / 2)]);
    const name = `nab/${entry.name.split('/').pop()}`;
    const into = index++ % 8 === 5 ? held : train;
    into.push({ name, values: toGrid(times, values, step), seasons: seasonsOfStep(step) });
    if (step < HOUR) into.push({ name: `${name}@1h`, values: toGrid(times, values, HOUR), seasons: seasonsOfStep(HOUR) });
  }
  return { train, held };
}

/** Hourly Beijing PM2.5 (CC BY 4.0), by calendar year, each measured column a series of its own. */
export function beijingSeries(folder: string, years: readonly number[]): PoolSeries[] {
  const lines = gunzipSync(readFileSync(`${folder}/timeseries/beijing-pm25/pollution.csv.gz`)).toString('utf8').trim().split('\n');
  const header = lines[0].split(',');
  const rows = lines.slice(1).map((line) => line.split(',')).filter((row) => years.includes(Number(row[1])));
  const out: PoolSeries[] = [];
  for (const column of ['pm2.5', 'DEWP', 'TEMP', 'PRES', 'Iws']) {
    const at = header.indexOf(column);
    const values = rows.map((row) => (row[at] === 'NA' ? Number.NaN : Number(row[at])));
    out.push(...hourlyAndCoarser(`beijing/${column}`, values));
  }
  return out;
}

/** An hourly series, and its means over 3, 6 and 24 hours. */
function hourlyAndCoarser(name: string, values: readonly number[]): PoolSeries[] {
  const times = values.map((_, i) => i * HOUR);
  const coarser = [3, 6, 24].map((hours): PoolSeries => ({ name: `${name}@${hours}h`, values: toGrid(times, values, hours * HOUR), seasons: seasonsOfStep(hours * HOUR) }));
  return [{ name, values: Float32Array.from(values), seasons: [24, 168] }, ...coarser];
}

/** Small public-domain series; the last fifth of each is held back. */
export function classicSeries(folder: string): { train: PoolSeries[]; held: PoolSeries[] } {
  const sets: [string, number, [number, number]][] = [
    ['daily-min-temperatures', 1, [7, 365]], ['monthly-sunspots', 1, [12, 132]], ['monthly-car-sales', 1, [12, 0]], ['co2', 1, [52, 0]],
    ['elec_equip', 1, [12, 0]], ['nile', 1, [0, 0]], ['sunspots', 1, [11, 0]], ['airline-passengers', 1, [12, 0]],
  ];
  const train: PoolSeries[] = [];
  const held: PoolSeries[] = [];
  for (const [name, column, seasons] of sets) {
    const lines = readFileSync(`${folder}/timeseries/univariate/${name}.csv`, 'utf8').trim().split('\n').slice(1);
    const values = Float32Array.from(lines.map((line) => Number.parseFloat(line.split(',')[column])));
    const cut = Math.floor(values.length * 0.8);
    train.push({ name: `classic/${name}`, values: values.subarray(0, cut), seasons });
    held.push({ name: `classic/${name}`, values, seasons });
  }
  return { train, held };
}
