import { isCalendarDays } from './frequency.ts';
import type { Frequency } from './frequency.ts';
import { toWallClock, UTC } from './time-zone.ts';
import type { TimeZone } from './time-zone.ts';

/**
 * Write a stamp: a date for daily and longer steps, else date and clock; outside UTC with the offset.
 *
 * @param time - epoch milliseconds; for unit `step` the row number.
 */
export function formatTime(time: number, frequency?: Frequency, zone: TimeZone = UTC): string {
  if (frequency?.unit === 'step') return String(time);
  if (!Number.isFinite(time) || Math.abs(time) > 8.64e15) return 'invalid time';
  const iso = new Date(toWallClock(time, zone)).toISOString();
  const [date, clock] = iso.split('T');
  const noClock = clock.startsWith('00:00:00.000');
  if (zone === UTC) {
    if (noClock && (frequency === undefined || isCalendarDays(frequency))) return date;
    return `${date} ${clock.slice(0, clock.endsWith('.000Z') ? 8 : 12)}`;
  }
  if (noClock && frequency && isCalendarDays(frequency)) return date;
  return `${date}T${clock.slice(0, 8)}${formatOffset(zone.offsetAt(time))}`;
}

function formatOffset(offset: number): string {
  const minutes = Math.abs(offset) / 60_000;
  const twoDigits = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  return `${offset < 0 ? '-' : '+'}${twoDigits(minutes / 60)}:${twoDigits(minutes % 60)}`;
}
