import { expect, it } from 'vitest';
import { fromRows } from '../data/from-rows.ts';
import { checkMinimum, clipBelow, minimumNotes } from './minimum.ts';

const forecast = { mean: Float64Array.of(2, -1), intervals: [{ level: 80, low: Float64Array.of(-3, -4), high: Float64Array.of(5, -0.5) }] };

it('raises mean and bounds to the minimum, and nothing above it', () => {
  expect(clipBelow(forecast, 0)).toEqual({ mean: Float64Array.of(2, 0), intervals: [{ level: 80, low: Float64Array.of(0, 0), high: Float64Array.of(5, 0) }] });
  expect(clipBelow(forecast, -3.5).intervals[0].low).toEqual(Float64Array.of(-3, -3.5));
  expect(clipBelow(forecast, undefined)).toEqual(forecast);
});

it('notes a forecast below 0 of a column that never was there', () => {
  const history = (y: number) => fromRows([{ ds: '2024-01-01', y: 0 }, { ds: '2024-01-02', y }, { ds: '2024-01-03', y: null }]);
  const made = [{ id: 'series', times: Float64Array.of(0, 1), columns: { y: forecast } }];
  expect(minimumNotes(history(3), made, ['y'], undefined)).toEqual(['"y" was never below 0, but its forecast or interval goes down to -4: minimum: 0 (on the command line --minimum 0) clips it.']);
  expect(minimumNotes(history(-3), made, ['y'], undefined)).toEqual([]);
  expect(minimumNotes(history(3), [{ ...made[0], columns: { y: clipBelow(forecast, 0) } }], ['y'], undefined)).toEqual([]);
});

it('notes a minimum that lies above what was seen', () => {
  const history = fromRows([{ ds: '2024-01-01', y: -2 }, { ds: '2024-01-02', y: 0 }, { ds: '2024-01-03', y: null }]);
  const made = [{ id: 'series', times: Float64Array.of(0, 1), columns: { y: clipBelow(forecast, 0) } }];
  expect(minimumNotes(history, made, ['y'], 0)).toEqual(['"y" was below the minimum of 0 in 1 of its rows; its forecast is clipped there all the same.']);
});

it('refuses what is no number', () => {
  expect(() => checkMinimum(Number.NaN, 'forecast')).toThrow(/forecast: minimum is NaN, expected a finite number/);
});
