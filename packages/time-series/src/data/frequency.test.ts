import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { defaultSeason, detectFrequency } from './detect-frequency.ts';
import { formatTime } from './format-time.ts';
import { addSteps, formatFrequency, parseFrequency, stepsBetween } from './frequency.ts';
import type { Frequency } from './frequency.ts';
import { fromWallClock, parseTimeZone, toWallClock } from './time-zone.ts';

const utc = (text: string): number => Date.parse(text.length > 10 ? `${text}Z` : `${text}T00:00:00Z`);
const grid = (start: string, count: number, frequency: string): number[] => Array.from({ length: count }, (_, step) => addSteps(utc(start), step, parseFrequency(frequency)));

describe('parseFrequency', () => {
  it.each([['D', 'D'], ['15min', '15min'], ['H', 'h'], ['MS', 'M'], ['ME', 'ME'], ['3M', '3M'], ['W-SUN', 'W'], ['2 hours', '2h'], ['T', 'min'], ['YE', 'YE']])('%s is %s', (text, expected) => {
    expect(formatFrequency(parseFrequency(text))).toBe(expected);
  });

  it('reads back what it writes', () => {
    for (const unit of ['Y', 'Q', 'M', 'W', 'D', 'B', 'h', 'min', 's', 'ms', 'step'] as const) {
      for (const count of [1, 7]) expect(parseFrequency(formatFrequency({ unit, count }))).toEqual({ unit, count });
    }
  });

  it('refuses other text', () => {
    expect(() => parseFrequency('fortnight')).toThrowErrorMatchingInlineSnapshot(`[ConfigError: frequency: got "fortnight", expected a count and a unit: s, min, h, D, B, W, M, Q, Y or step, such as 15min or M (ME for month ends).]`);
    expect(() => parseFrequency('0h')).toThrow(/0h/);
  });
});

describe('addSteps', () => {
  it('keeps the day of the month and clamps it to short months', () => {
    expect(grid('2024-01-31', 4, 'M').map(time => formatTime(time))).toEqual(['2024-01-31', '2024-02-29', '2024-03-31', '2024-04-30']);
    expect(grid('2023-02-28', 3, 'ME').map(time => formatTime(time))).toEqual(['2023-02-28', '2023-03-31', '2023-04-30']);
  });

  it('skips weekends with B', () => {
    expect(grid('2024-05-30', 4, 'B').map(time => formatTime(time))).toEqual(['2024-05-30', '2024-05-31', '2024-06-03', '2024-06-04']);
  });

  it('handles years before 1970 and before 100', () => {
    expect(formatTime(addSteps(utc('1969-12-31'), 1, { unit: 'D', count: 1 }))).toBe('1970-01-01');
    expect(formatTime(addSteps(utc('1871-01-01'), -1, { unit: 'Y', count: 1 }))).toBe('1870-01-01');
  });

  it('undoes stepsBetween for every unit', () => {
    const units = fc.constantFrom<Frequency['unit']>('Y', 'Q', 'M', 'W', 'D', 'B', 'h', 'min', 's');
    fc.assert(fc.property(units, fc.integer({ min: 1, max: 5 }), fc.integer({ min: -300, max: 300 }), fc.integer({ min: 0, max: 20_000 }), (unit, count, steps, day) => {
      const start = addSteps(utc('1970-01-05'), day, { unit: 'B', count: 1 });
      const frequency = { unit, count };
      expect(stepsBetween(start, addSteps(start, steps, frequency), frequency)).toBe(steps);
    }));
  });

  it('a local day has 23 or 25 hours when the clock changes', () => {
    const berlin = parseTimeZone('Europe/Berlin');
    const midnight = fromWallClock(utc('2024-03-31'), berlin);
    expect((addSteps(midnight, 1, { unit: 'D', count: 1 }, berlin) - midnight) / 3_600_000).toBe(23);
    expect((addSteps(midnight, 1, { unit: 'D', count: 1 }) - midnight) / 3_600_000).toBe(24);
  });
});

describe('time zones', () => {
  const berlin = parseTimeZone('Europe/Berlin');

  it('gives both instants of the hour that comes twice', () => {
    const wall = utc('2024-10-27T02:30:00');
    const first = fromWallClock(wall, berlin), last = fromWallClock(wall, berlin, 'last');
    expect(last - first).toBe(3_600_000);
    expect([toWallClock(first, berlin), toWallClock(last, berlin)]).toEqual([wall, wall]);
  });

  it('moves a skipped hour after the gap', () => {
    expect(new Date(fromWallClock(utc('2024-03-31T02:30:00'), berlin)).toISOString()).toBe('2024-03-31T01:30:00.000Z');
  });

  it('takes offsets and refuses unknown names', () => {
    expect(fromWallClock(utc('2024-01-01'), parseTimeZone('+05:30'))).toBe(utc('2023-12-31T18:30:00'));
    expect(() => parseTimeZone('Mars/Base')).toThrow(/Mars\/Base/);
    expect(formatTime(utc('2024-07-01T10:00:00'), { unit: 'h', count: 1 }, berlin)).toBe('2024-07-01T12:00:00+02:00');
  });
});

describe('detectFrequency', () => {
  it.each(['s', '10s', 'min', '15min', 'h', '6h', 'D', '2D', 'B', 'W', 'M', 'ME', 'Q', '6M', 'Y', '10Y'])('finds %s', text => {
    const times = grid(text.endsWith('E') ? '1990-01-31' : '1990-01-15', 40, text);
    expect(formatFrequency(detectFrequency(times)!.frequency)).toBe(text);
  });

  it('sees through gaps', () => {
    const times = grid('2024-01-01', 100, 'h').filter((_, index) => index % 10 !== 3);
    const found = detectFrequency(times)!;
    expect(formatFrequency(found.frequency)).toBe('h');
    expect(found.share).toBeGreaterThan(0.85);
  });

  it('says nothing about stamps without order', () => {
    expect(detectFrequency([0, 1000, 3000, 9000, 20_000, 70_000])).toBeUndefined();
    expect(detectFrequency([5])).toBeUndefined();
  });

  it('knows the season people mean', () => {
    expect([defaultSeason({ unit: 'h', count: 1 }), defaultSeason({ unit: 'min', count: 15 }), defaultSeason({ unit: 'D', count: 1 }), defaultSeason({ unit: 'M', count: 1 }), defaultSeason({ unit: 'Y', count: 1 })])
      .toEqual([24, 96, 7, 12, 1]);
  });
});
