import { describe, expect, it } from 'vitest';
import { addSteps, parseFrequency } from './frequency.ts';
import { fromRows } from './from-rows.ts';
import { Scaler } from './scaler.ts';
import { splitByShare, splitTail } from './split.ts';
import type { Table } from './table.ts';
import { calendarFeatureNames, calendarFeatures } from './calendar-features.ts';
import { windowsOf } from './windows.ts';

function daily(values: readonly (number | null)[], skip: readonly number[] = [], id = 's'): { unique_id: string; ds: number; y: number | null }[] {
  const start = Date.UTC(2024, 0, 1);
  return values.map((y, step) => ({ unique_id: id, ds: addSteps(start, step, parseFrequency('D')), y })).filter((_, step) => !skip.includes(step));
}
const table = (rows: Parameters<typeof fromRows>[0]): Table => fromRows(rows);

describe('check', () => {
  it('finds nothing in good data', () => {
    expect(table(daily([1, 2, 3, 4])).check().toString()).toBe('No problems at frequency D.');
  });

  it('names ids, the first bad time and the fix', () => {
    const rows = [...daily([1, 2, null, 4, 5, 6, 7, 8], [4, 5], 'gappy'), ...daily([3, 3, 3], [], 'flat'), ...daily([1], [], 'short')];
    rows.push({ ...rows[2] });
    const report = table(rows).check({ frequency: 'D' });
    expect(report.toString()).toMatchInlineSnapshot(`
      "series "gappy": 1 stamp repeats, first 2024-01-03 (line 11); name the column that tells the series apart (id), or fillGaps({ duplicates: "mean" | "first" | "last" }).
      series "gappy": 2 rows missing, first after 2024-01-04 (line 5); fillGaps({ fill: "mask" }) adds them as missing values.
      series "gappy", column "y": 2 values missing, first at 2024-01-03 (line 3); missing values are masked in training; fillGaps({ fill: "linear" }) fills them.
      series "flat", column "y": all 3 values are equal; nothing can be learned from it: leave it out.
      series "short": 1 row only; it needs 2: give more rows, or ask for a smaller input size or horizon."
    `);
    expect(() => report.assertNo('gap', 'duplicate')).toThrowErrorMatchingInlineSnapshot(`[DataError: series "gappy": 1 stamp repeats, first 2024-01-03 (line 11); name the column that tells the series apart (id), or fillGaps({ duplicates: "mean" | "first" | "last" }). (and 1 more problem: call check() for the list)]`);
    expect(() => report.assertNo('off-grid')).not.toThrow();
  });

  it('finds stamps off the grid', () => {
    const rows = daily([1, 2, 3, 4, 5]);
    rows[2] = { ...rows[2], ds: rows[2].ds + 3_600_000 };
    expect(table(rows).check({ frequency: 'D' }).of('off-grid')[0]).toMatchObject({ count: 1, firstTime: '2024-01-03 01:00:00', row: 3 });
  });
});

describe('fillGaps', () => {
  const gappy = table(daily([1, 2, 3, null, 5, 6, 7, 8, 9, 10], [4, 5]));

  it.each([
    ['mask', [1, 2, 3, Number.NaN, Number.NaN, Number.NaN, 7, 8, 9, 10]],
    ['forward', [1, 2, 3, 3, 3, 3, 7, 8, 9, 10]],
    ['linear', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
    ['zero', [1, 2, 3, 0, 0, 0, 7, 8, 9, 10]],
  ] as const)('%s', (fill, expected) => {
    const filled = gappy.fillGaps({ frequency: 'D', fill });
    expect([...filled.series[0].values.y]).toEqual(expected);
    expect(filled.check().of('gap')).toEqual([]);
    expect(gappy.rowCount).toBe(8);
  });

  it('merges repeated stamps only when told how', () => {
    const rows = [...daily([1, 2, 4]), { unique_id: 's', ds: Date.UTC(2024, 0, 2), y: 4 }];
    expect(() => table(rows).fillGaps({ frequency: 'D' })).toThrow(/2024-01-02 more than once.*duplicates/);
    expect([...table(rows).fillGaps({ frequency: 'D', duplicates: 'mean' }).series[0].values.y]).toEqual([1, 3, 4]);
  });

  it('stops before a wrong frequency fills the memory', () => {
    expect(() => table(daily([1, 2, 3, 4])).fillGaps({ frequency: 's' })).toThrow(/259201 rows at frequency s/);
  });
});

describe('scaler', () => {
  it('uses the rows it is given and passes missing values over', () => {
    const scaler = Scaler.fit(table(daily([1, null, 3, 5])).series, ['y']);
    expect(scaler.of('s', 'y')).toEqual({ shift: 3, scale: Math.sqrt(8 / 3) });
    expect(scaler.of('unseen', 'y')).toEqual(scaler.of('s', 'y'));
    const values = Float64Array.of(-7, 0.1, Number.NaN);
    const there = scaler.invert('s', 'y', scaler.apply('s', 'y', values));
    expect([...there].map(value => Math.round(value * 1e12) / 1e12)).toEqual([...values]);
  });

  it('makes a constant column zero', () => {
    expect([...Scaler.fit(table(daily([4, 4, 4])).series, ['y']).apply('s', 'y', Float64Array.of(4, 5))]).toEqual([0, 1]);
  });
});

describe('splits and windows', () => {
  it('cuts without sharing rows', () => {
    const { before, after } = splitTail(table(daily([1, 2, 3, 4, 5])), 2);
    expect([[...before.series[0].values.y], [...after.series[0].values.y]]).toEqual([[1, 2, 3], [4, 5]]);
    expect(splitByShare(table(daily([1, 2, 3, 4, 5])), 0.5).before.rowCount).toBe(2);
    expect(() => splitTail(table(daily([1, 2])), 2)).toThrow(/"s" has 2 rows/);
  });

  it('drops no window, the last one ends with the last row', () => {
    const { series } = table(daily([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
    expect(windowsOf(series, { inputSize: 4, horizon: 2 }).map(place => place.start)).toEqual([0, 1, 2, 3, 4]);
    expect(windowsOf(series, { inputSize: 4, horizon: 2, stride: 3 }).map(place => place.start)).toEqual([1, 4]);
    // Targets from row 7 on: the context may lie before.
    expect(windowsOf(series, { inputSize: 4, horizon: 2, from: () => 7 }).map(place => place.start)).toEqual([3, 4]);
    expect(windowsOf(series, { inputSize: 4, horizon: 2, to: () => 7 }).map(place => place.start)).toEqual([0, 1]);
    expect(windowsOf(series, { inputSize: 9, horizon: 2 })).toEqual([]);
  });
});

describe('calendar features', () => {
  it('are sine and cosine of the phase', () => {
    const hourly = parseFrequency('h');
    expect(calendarFeatureNames(hourly)).toEqual(['hour-of-day-sin', 'hour-of-day-cos', 'day-of-week-sin', 'day-of-week-cos', 'time-of-year-sin', 'time-of-year-cos']);
    const [sine, cosine, week] = calendarFeatures([Date.UTC(2024, 0, 1, 6)], hourly); // a Monday
    expect([sine, cosine, week].map(value => Math.round(value * 1e6) / 1e6)).toEqual([1, 0, 0]);
    expect(calendarFeatureNames({ unit: 'step', count: 1 })).toEqual([]);
  });
});
