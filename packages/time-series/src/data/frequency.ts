import { ConfigError } from '@mamba360/ssm/errors';
import { fromWallClock, toWallClock, UTC } from './time-zone.ts';
import type { TimeZone } from './time-zone.ts';

/** `step` numbers rows without a clock; `B` is a business day (Monday to Friday). */
export type FrequencyUnit = 'Y' | 'Q' | 'M' | 'W' | 'D' | 'B' | 'h' | 'min' | 's' | 'ms' | 'step';

/** Distance between two rows, such as every 15 minutes or every month. */
export interface Frequency {
  readonly unit: FrequencyUnit;
  readonly count: number;
  /** Months, quarters and years stamped on the last day of the month. */
  readonly monthEnd?: boolean;
}

const FIXED: Partial<Record<FrequencyUnit, number>> = { step: 1, ms: 1, s: 1000, min: 60_000, h: 3_600_000 };
const DAYS: Partial<Record<FrequencyUnit, number>> = { D: 1, W: 7 };
const MONTH_COUNT: Partial<Record<FrequencyUnit, number>> = { M: 1, Q: 3, Y: 12 };
const DAY = 86_400_000;

const NAMES: Record<string, FrequencyUnit> = {
  y: 'Y', a: 'Y', ys: 'Y', as: 'Y', year: 'Y', years: 'Y', yearly: 'Y', q: 'Q', qs: 'Q', quarter: 'Q', quarters: 'Q', quarterly: 'Q',
  ms: 'M', mo: 'M', month: 'M', months: 'M', monthly: 'M', w: 'W', week: 'W', weeks: 'W', weekly: 'W', d: 'D', day: 'D', days: 'D', daily: 'D',
  b: 'B', h: 'h', hour: 'h', hours: 'h', hourly: 'h', t: 'min', min: 'min', mins: 'min', minute: 'min', minutes: 'min',
  s: 's', sec: 's', second: 's', seconds: 's', l: 'ms', millisecond: 'ms', milliseconds: 'ms', step: 'step', steps: 'step',
};
const MONTH_END: Record<string, FrequencyUnit> = { me: 'M', qe: 'Q', ye: 'Y' };

/**
 * Read a frequency such as `D`, `15min`, `3M`, `MS`, `ME` or `W-MON`.
 *
 * @throws ConfigError for a text that names no frequency.
 */
export function parseFrequency(text: string | Frequency): Frequency {
  if (typeof text !== 'string') return text;
  const match = /^\s*(\d*)\s*([a-z]+)(?:-[a-z]{3})?\s*$/i.exec(text);
  const word = match?.[2] ?? '';
  const count = match?.[1] ? Number(match[1]) : 1;
  // A lone "M" is the month and "m" reads as minutes nowhere: pandas writes T or min.
  const unit = word === 'M' || word === 'm' ? 'M' : NAMES[word.toLowerCase()];
  if (count >= 1 && Number.isSafeInteger(count)) {
    if (unit) return { unit, count };
    const end = MONTH_END[word.toLowerCase()];
    if (end) return { unit: end, count, monthEnd: true };
  }
  throw new ConfigError(`frequency: got "${text}", expected a count and a unit: s, min, h, D, B, W, M, Q, Y or step, such as 15min or M (ME for month ends).`);
}

/** Short form, such as `15min`; `parseFrequency` reads it back. */
export function formatFrequency(frequency: Frequency): string {
  const unit = frequency.unit === 'ms' ? 'milliseconds' : frequency.unit + (frequency.monthEnd ? 'E' : '');
  return frequency.count === 1 ? unit : `${frequency.count}${unit}`;
}

/** True where one step is a day or more, so that stamps print as dates. */
export function isCalendarDays(frequency: Frequency): boolean {
  return FIXED[frequency.unit] === undefined;
}

/**
 * The stamp `steps` rows after `time` (before it for negative steps).
 *
 * @param time - epoch milliseconds.
 * @remarks Seconds to hours are exact lengths; days and longer follow the clock of the zone, so a day may last 23 or 25 hours.
 * A month later than 31 January is the last day of February; the day of the starting stamp is kept for later months.
 */
export function addSteps(time: number, steps: number, frequency: Frequency, zone: TimeZone = UTC): number {
  const count = steps * frequency.count;
  const fixed = FIXED[frequency.unit];
  if (fixed !== undefined) return time + count * fixed;
  const wall = toWallClock(time, zone);
  return fromWallClock(addCalendar(wall, count, frequency), zone);
}

/**
 * How many rows `end` lies after `start`.
 *
 * @returns an integer; NaN where `end` is not on the grid that starts at `start`.
 */
export function stepsBetween(start: number, end: number, frequency: Frequency, zone: TimeZone = UTC): number {
  const guess = Math.round(roughSteps(start, end, frequency, zone));
  for (const steps of [guess, guess - 1, guess + 1]) {
    if (addSteps(start, steps, frequency, zone) === end) return steps === 0 ? 0 : steps;
  }
  return Number.NaN;
}

function roughSteps(start: number, end: number, frequency: Frequency, zone: TimeZone): number {
  const fixed = FIXED[frequency.unit];
  if (fixed !== undefined) return (end - start) / (fixed * frequency.count);
  const from = toWallClock(start, zone), to = toWallClock(end, zone);
  const days = DAYS[frequency.unit];
  if (days !== undefined) return (to - from) / (DAY * days * frequency.count);
  if (frequency.unit === 'B') return (businessIndex(to) - businessIndex(from)) / frequency.count;
  const months = MONTH_COUNT[frequency.unit] ?? 1;
  return (monthIndex(to) - monthIndex(from)) / (months * frequency.count);
}

function addCalendar(wall: number, count: number, frequency: Frequency): number {
  const days = DAYS[frequency.unit];
  if (days !== undefined) return wall + count * days * DAY;
  if (frequency.unit === 'B') return addBusinessDays(wall, count);
  const date = new Date(wall);
  const target = monthIndex(wall) + count * (MONTH_COUNT[frequency.unit] ?? 1);
  const year = Math.floor(target / 12), month = target - year * 12;
  const last = new Date(Date.UTC(2000, 0, 1));
  last.setUTCFullYear(year, month + 1, 0);
  const day = frequency.monthEnd ? last.getUTCDate() : Math.min(date.getUTCDate(), last.getUTCDate());
  const moved = new Date(wall);
  moved.setUTCFullYear(year, month, day);
  return moved.getTime();
}

function monthIndex(wall: number): number {
  const date = new Date(wall);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

/** Business days since a Monday long ago; a weekend counts as the Friday before it. */
function businessIndex(wall: number): number {
  const day = Math.floor(wall / DAY) + 3; // 1 January 1970 was a Thursday: day 0 here is the Monday before.
  const week = Math.floor(day / 7);
  return week * 5 + Math.min(day - week * 7, 4);
}

function addBusinessDays(wall: number, count: number): number {
  const index = businessIndex(wall) + count;
  const week = Math.floor(index / 5);
  const timeOfDay = wall - Math.floor(wall / DAY) * DAY;
  return (week * 7 + (index - week * 5) - 3) * DAY + timeOfDay;
}
