import { isCalendarDays } from './frequency.ts';
import type { Frequency } from './frequency.ts';
import { toWallClock, UTC } from './time-zone.ts';
import type { TimeZone } from './time-zone.ts';

const TURN = 2 * Math.PI;
const DAY = 86_400_000;

interface Cycle { readonly name: string; readonly phase: (date: Date) => number }

const OF_HOUR: Cycle = { name: 'minute-of-hour', phase: date => (date.getUTCMinutes() + date.getUTCSeconds() / 60) / 60 };
const OF_DAY: Cycle = { name: 'hour-of-day', phase: date => (date.getUTCHours() + date.getUTCMinutes() / 60) / 24 };
const OF_WEEK: Cycle = { name: 'day-of-week', phase: date => ((date.getUTCDay() + 6) % 7) / 7 };
const OF_MONTH: Cycle = { name: 'day-of-month', phase: date => (date.getUTCDate() - 1) / 31 };
const OF_YEAR: Cycle = { name: 'time-of-year', phase: date => (date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / DAY / 366 };

/** The cycles that a frequency can show: an hour of the day for hourly rows, not for daily ones. */
function cyclesOf(frequency: Frequency): Cycle[] {
  const { unit } = frequency;
  if (unit === 'step' || unit === 'Y') return [];
  if (unit === 'M' || unit === 'Q' || unit === 'W') return [OF_YEAR];
  if (isCalendarDays(frequency)) return [OF_WEEK, OF_MONTH, OF_YEAR];
  return unit === 'h' ? [OF_DAY, OF_WEEK, OF_YEAR] : [OF_HOUR, OF_DAY, OF_WEEK];
}

/** Names of the columns of `calendarFeatures`, such as `hour-of-day-sin`. */
export function calendarFeatureNames(frequency: Frequency): string[] {
  return cyclesOf(frequency).flatMap(({ name }) => [`${name}-sin`, `${name}-cos`]);
}

/**
 * Where stamps stand in the day, week and year, each as sine and cosine of its phase, read on the clock of the zone.
 *
 * @returns [times.length, names] row by row.
 */
export function calendarFeatures(times: ArrayLike<number>, frequency: Frequency, zone: TimeZone = UTC): Float32Array {
  const cycles = cyclesOf(frequency);
  const width = cycles.length * 2;
  const out = new Float32Array(times.length * width);
  for (let row = 0; row < times.length; row++) {
    const date = new Date(toWallClock(times[row], zone));
    cycles.forEach(({ phase }, index) => {
      const angle = TURN * phase(date);
      out[row * width + 2 * index] = Math.sin(angle);
      out[row * width + 2 * index + 1] = Math.cos(angle);
    });
  }
  return out;
}
