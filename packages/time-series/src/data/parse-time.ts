import { parseOffset } from './time-zone.ts';

/** A parsed stamp: a clock reading (to be placed by the table's time zone) or, where the text held an offset, an instant. */
export interface ParsedTime { readonly wall?: number; readonly instant?: number }

/** One way to write a time. `parse` returns undefined for text that is not written that way. */
export interface TimeFormat {
  readonly name: string;
  /** True where the text alone is an ordinary number too, so that a header or the caller must confirm it. */
  readonly numeric: boolean;
  readonly parse: (text: string) => ParsedTime | undefined;
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const CLOCK = String.raw`(?:[T ,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*(am|pm)?)?\s*(Z|[+-]\d{2}:?\d{2})?`;
const ISO = new RegExp(String.raw`^(\d{4})([-/])(\d{1,2})(?:\2(\d{1,2}))?${CLOCK}$`, 'i');
const PARTS = new RegExp(String.raw`^(\d{1,2})([/.-])(\d{1,2})\2(\d{4})${CLOCK}$`, 'i');
const NAME_FIRST = new RegExp(String.raw`^([a-z]{3,9})\.?[ -](\d{1,2})(?:,? |-)(\d{4})${CLOCK}$`, 'i');
const DAY_FIRST = new RegExp(String.raw`^(\d{1,2})[ -]([a-z]{3,9})\.?[ -](\d{4})${CLOCK}$`, 'i');

/** Every format that is read, in the order in which they are tried. */
export const TIME_FORMATS: readonly TimeFormat[] = [
  format('iso', false, ISO, match => clock(+match[1], +match[3], match[4] ? +match[4] : 1, match, 5)),
  format('year-week', false, /^(\d{4})-?W(\d{2})(?:-?([1-7]))?$/i, match => isoWeek(+match[1], +match[2], match[3] ? +match[3] : 1)),
  format('year-quarter', false, /^(\d{4})[ -]?Q([1-4])$/i, match => clock(+match[1], +match[2] * 3 - 2, 1)),
  format('quarter-year', false, /^Q([1-4])[ -]?(\d{4})$/i, match => clock(+match[2], +match[1] * 3 - 2, 1)),
  format('month-name', false, NAME_FIRST, match => clock(+match[3], month(match[1]), +match[2], match, 4)),
  format('day-month-name', false, DAY_FIRST, match => clock(+match[3], month(match[2]), +match[1], match, 4)),
  format('month-name-year', false, /^([a-z]{3,9})\.?[ -](\d{4})$/i, match => clock(+match[2], month(match[1]), 1)),
  format('year-month-name', false, /^(\d{4})[ -]([a-z]{3,9})$/i, match => clock(+match[1], month(match[2]), 1)),
  format('M/D/YYYY', false, PARTS, match => (match[2] === '.' ? undefined : clock(+match[4], +match[1], +match[3], match, 5))),
  format('D/M/YYYY', false, PARTS, match => clock(+match[4], +match[3], +match[1], match, 5)),
  format('YYYYMMDD', true, /^(\d{4})(\d{2})(\d{2})$/, match => clock(+match[1], +match[2], +match[3])),
  format('YYYYMMDDhhmmss', true, /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})$/, match => clock(+match[1], +match[2], +match[3], match, 4)),
  format('epoch-seconds', true, /^\d{9,10}(?:\.\d+)?$/, match => ({ instant: Math.round(Number(match[0]) * 1000) })),
  format('epoch-milliseconds', true, /^\d{12,13}$/, match => ({ instant: Number(match[0]) })),
  format('year', true, /^[12]\d{3}$/, match => clock(+match[0], 1, 1)),
];

/**
 * Find the one format that reads every sample.
 *
 * @param samples - texts of one column, none of them empty.
 * @returns the first format in `TIME_FORMATS` that reads all; undefined where none does.
 * @remarks `3/4/2020` is read month first unless a sample forbids it (a first part above 12, or dots between the parts).
 */
export function detectTimeFormat(samples: readonly string[]): TimeFormat | undefined {
  if (samples.length === 0) return undefined;
  return TIME_FORMATS.find(candidate => samples.every(sample => candidate.parse(sample.trim()) !== undefined));
}

function format(name: string, numeric: boolean, pattern: RegExp, read: (match: RegExpExecArray) => ParsedTime | undefined): TimeFormat {
  return {
    name, numeric,
    parse: text => {
      const match = pattern.exec(text);
      return match ? read(match) : undefined;
    },
  };
}

/** Week 1 is the week of 4 January; a week starts on Monday. */
function isoWeek(year: number, week: number, weekday: number): ParsedTime | undefined {
  const day = 86_400_000, fourth = Date.UTC(year, 0, 4);
  const monday = fourth - ((new Date(fourth).getUTCDay() + 6) % 7) * day + (week - 1) * 7 * day;
  // A week belongs to the year of its Thursday.
  if (new Date(monday + 3 * day).getUTCFullYear() !== year) return undefined;
  return { wall: monday + (weekday - 1) * day };
}

/** 0 for a word that names no month, which `clock` then refuses. */
function month(word: string): number {
  return MONTHS.indexOf(word.slice(0, 3).toLowerCase()) + 1;
}

function clock(year: number, monthNumber: number, day: number, match?: RegExpExecArray, from = 0): ParsedTime | undefined {
  const [hourText, minuteText, secondText, fraction, half, offsetText] = match ? match.slice(from, from + 6) : [];
  let hour = Number(hourText ?? 0);
  if (half) {
    if (hour < 1 || hour > 12) return undefined;
    hour = hour % 12 + (half.toLowerCase() === 'pm' ? 12 : 0);
  }
  const minute = Number(minuteText ?? 0), second = Number(secondText ?? 0);
  if (hour > 24 || minute > 59 || second > 59 || (hour === 24 && minute + second > 0)) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, monthNumber - 1, day);
  if (date.getUTCMonth() !== monthNumber - 1 || date.getUTCDate() !== day) return undefined;
  const wall = date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 + Math.floor(Number(`0.${fraction ?? 0}`) * 1000);
  if (offsetText === undefined) return { wall };
  const offset = parseOffset(offsetText);
  return offset === undefined ? undefined : { instant: wall - offset };
}
