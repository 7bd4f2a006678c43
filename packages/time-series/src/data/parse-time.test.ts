import { describe, expect, it } from 'vitest';
import { detectTimeFormat } from './parse-time.ts';

const read = (text: string): string => {
  const parsed = detectTimeFormat([text])?.parse(text);
  return parsed ? new Date(parsed.instant ?? parsed.wall!).toISOString() : 'not a time';
};

describe('time formats', () => {
  it.each([
    ['2024-05-31', '2024-05-31T00:00:00.000Z'],
    ['2024-05', '2024-05-01T00:00:00.000Z'],
    ['2024', '2024-01-01T00:00:00.000Z'],
    ['2024-05-31 14:05:06', '2024-05-31T14:05:06.000Z'],
    ['2024-05-31T14:05:06.25Z', '2024-05-31T14:05:06.250Z'],
    ['2024-05-31T14:05+02:00', '2024-05-31T12:05:00.000Z'],
    ['2024/5/1 7:00', '2024-05-01T07:00:00.000Z'],
    ['5/31/2024', '2024-05-31T00:00:00.000Z'],
    ['5/31/2024 1:05 PM', '2024-05-31T13:05:00.000Z'],
    ['31.05.2024', '2024-05-31T00:00:00.000Z'],
    ['31/5/2024', '2024-05-31T00:00:00.000Z'],
    ['Jan-1-1995', '1995-01-01T00:00:00.000Z'],
    ['1 Feb 1995', '1995-02-01T00:00:00.000Z'],
    ['March 3, 1995', '1995-03-03T00:00:00.000Z'],
    ['Jan 1995', '1995-01-01T00:00:00.000Z'],
    ['1959Q2', '1959-04-01T00:00:00.000Z'],
    ['Q4 2001', '2001-10-01T00:00:00.000Z'],
    ['19580329', '1958-03-29T00:00:00.000Z'],
    ['1700000000', '2023-11-14T22:13:20.000Z'],
    ['1700000000123', '2023-11-14T22:13:20.123Z'],
    ['2024-12-31 24:00', '2025-01-01T00:00:00.000Z'],
  ])('%s', (text, expected) => { expect(read(text)).toBe(expected); });

  it.each(['2024-02-30', '2024-13-01', '2023-02-29', 'Foo 1995', '1-01', '13:00', '', '99/99/2024', '2024-05-31 25:00', '12.5'])('refuses %j', text => {
    expect(read(text)).toBe('not a time');
  });

  it('reads a column one way: the first part above 12 makes every row day first', () => {
    expect(detectTimeFormat(['3/4/2020', '13/4/2020'])?.name).toBe('D/M/YYYY');
    expect(detectTimeFormat(['3/4/2020', '4/13/2020'])?.name).toBe('M/D/YYYY');
    expect(detectTimeFormat(['3/4/2020', 'x'])).toBeUndefined();
  });
});
