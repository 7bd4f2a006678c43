import { ConfigError } from '@mamba360/ssm/errors';

const DAY = 86_400_000;

/** Where a stamp without an offset was read on the clock. Default everywhere: UTC. */
export interface TimeZone {
  /** `UTC`, an offset such as `+02:00`, or an IANA name such as `Europe/Berlin`. */
  readonly name: string;
  /** Milliseconds to add to UTC to read the clock of the zone at that instant. */
  offsetAt(instant: number): number;
}

export const UTC: TimeZone = { name: 'UTC', offsetAt: () => 0 };

/**
 * Read a time-zone name.
 *
 * @param name - `UTC`, `Z`, an offset (`+02:00`, `-0530`) or an IANA name.
 * @returns the zone; its offsets are exact to the minute, day-light saving included.
 * @throws ConfigError if the running engine does not know the name.
 */
export function parseTimeZone(name: string): TimeZone {
  if (/^(utc|z|gmt)$/i.test(name)) return UTC;
  const offset = parseOffset(name);
  if (offset !== undefined) return offset === 0 ? UTC : { name, offsetAt: () => offset };
  let formatter: Intl.DateTimeFormat;
  try {
    formatter = new Intl.DateTimeFormat('en-US', {
      timeZone: name, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric',
    });
  } catch (cause) {
    throw new ConfigError(`timeZone: got "${name}", expected UTC, an offset such as +02:00, or an IANA name such as Europe/Berlin. Check the spelling.`, { cause });
  }
  return { name, offsetAt: cacheByDay(instant => lookUpOffset(formatter, instant)) };
}

/** Milliseconds of an offset such as `+02:00`, `-0530` or `Z`; undefined for any other text. */
export function parseOffset(text: string): number | undefined {
  if (text === 'Z' || text === 'z') return 0;
  const match = /^([+-])(\d{2}):?(\d{2})$/.exec(text);
  if (!match) return undefined;
  const minutes = Number(match[2]) * 60 + Number(match[3]);
  return minutes > 18 * 60 || Number(match[3]) > 59 ? undefined : (match[1] === '-' ? -1 : 1) * minutes * 60_000;
}

/** The clock of the zone at an instant, as milliseconds of a UTC date with the same digits. */
export function toWallClock(instant: number, zone: TimeZone): number {
  return instant + zone.offsetAt(instant);
}

/**
 * The instant at which the clock of the zone shows `wall`.
 *
 * @param occurrence - which of the two instants of an hour that the clock shows twice in autumn. Default: the first.
 * @remarks A time the clock skips in spring is read with the offset before the change, so it lies after the gap.
 */
export function fromWallClock(wall: number, zone: TimeZone, occurrence: 'first' | 'last' = 'first'): number {
  if (zone === UTC) return wall;
  const before = wall - zone.offsetAt(wall - DAY);
  const after = wall - zone.offsetAt(wall + DAY);
  if (before === after) return before;
  const fits = [before, after].filter(candidate => toWallClock(candidate, zone) === wall).sort((a, b) => a - b);
  if (fits.length === 0) return before;
  return occurrence === 'first' ? fits[0] : fits[fits.length - 1];
}

function lookUpOffset(formatter: Intl.DateTimeFormat, instant: number): number {
  const second = Math.floor(instant / 1000) * 1000;
  const part: Record<string, number> = {};
  for (const { type, value } of formatter.formatToParts(second)) part[type] = Number(value);
  return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second) - second;
}

/** Intl is slow (microseconds a call) and most days have one offset, so remember whole days and look up only days with a change. */
function cacheByDay(lookUp: (instant: number) => number): (instant: number) => number {
  const days = new Map<number, number | 'changes'>();
  return instant => {
    const day = Math.floor(instant / DAY);
    let offset = days.get(day);
    if (offset === undefined) {
      const start = lookUp(day * DAY);
      offset = start === lookUp((day + 1) * DAY) ? start : 'changes';
      if (days.size > 100_000) days.clear();
      days.set(day, offset);
    }
    return offset === 'changes' ? lookUp(instant) : offset;
  };
}
