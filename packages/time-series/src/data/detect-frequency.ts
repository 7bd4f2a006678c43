import { addSteps, stepsBetween } from './frequency.ts';
import type { Frequency } from './frequency.ts';
import { UTC } from './time-zone.ts';
import type { TimeZone } from './time-zone.ts';

/** What `detectFrequency` found, and how far the stamps agree with it. */
export interface DetectedFrequency {
  readonly frequency: Frequency;
  /** Share of neighbouring stamps exactly one step apart, 0 to 1. */
  readonly share: number;
}

const CALENDAR: readonly Frequency[] = [
  { unit: 'D', count: 1 }, { unit: 'B', count: 1 }, { unit: 'W', count: 1 }, { unit: 'M', count: 1 }, { unit: 'M', count: 1, monthEnd: true },
  { unit: 'Q', count: 1 }, { unit: 'Q', count: 1, monthEnd: true }, { unit: 'Y', count: 1 }, { unit: 'Y', count: 1, monthEnd: true },
  { unit: 'M', count: 2 }, { unit: 'M', count: 6 }, { unit: 'Y', count: 2 }, { unit: 'Y', count: 5 }, { unit: 'Y', count: 10 },
];

/**
 * Find the distance between the rows of sorted stamps; gaps and a few odd stamps do not disturb it.
 *
 * @param times - sorted epoch milliseconds, repeats allowed (they are passed over).
 * @returns the frequency that explains most neighbours; undefined where none explains half of them.
 */
export function detectFrequency(times: ArrayLike<number>, zone: TimeZone = UTC): DetectedFrequency | undefined {
  const sample = spreadPairs(times, 2000);
  if (sample.length === 0) return undefined;
  let best: DetectedFrequency | undefined;
  for (const frequency of [...CALENDAR, ...commonDistance(sample)]) {
    let hits = 0;
    for (const [start, end] of sample) if (addSteps(start, 1, frequency, zone) === end) hits++;
    const share = hits / sample.length;
    // A later candidate must explain more, so three stamps 365 days apart are called yearly.
    if (share > (best?.share ?? 0.5 - 1e-9)) best = { frequency, share };
  }
  return best && { frequency: nameOf(best.frequency), share: best.share };
}

/** Seasonal period in rows that people mean at a frequency: a day of hours, a week of days, a year of months. */
export function defaultSeason(frequency: Frequency): number {
  const { unit, count } = frequency;
  const rowsOf: Record<string, number> = { ms: 1000, s: 60, min: 1440, h: 24, D: 7, B: 5, W: 52, M: 12, Q: 4, Y: 1, step: 1 };
  const season = rowsOf[unit] / count;
  return season >= 1 && Number.isInteger(season) ? season : 1;
}

function spreadPairs(times: ArrayLike<number>, limit: number): [number, number][] {
  const pairs: [number, number][] = [];
  const stride = Math.max(1, Math.floor((times.length - 1) / limit));
  for (let index = 0; index + 1 < times.length; index += stride) {
    if (times[index + 1] > times[index]) pairs.push([times[index], times[index + 1]]);
  }
  return pairs;
}

/** The most common difference in milliseconds, as a fixed length. */
function commonDistance(pairs: readonly [number, number][]): Frequency[] {
  const counts = new Map<number, number>();
  let distance = 0;
  for (const [start, end] of pairs) {
    const count = (counts.get(end - start) ?? 0) + 1;
    counts.set(end - start, count);
    if (count > (counts.get(distance) ?? 0)) distance = end - start;
  }
  return [{ unit: 'ms', count: distance }];
}

/** The largest unit that holds a fixed length: 3,600,000 ms is `h`, 86,400,000 ms is `D`. */
function nameOf(frequency: Frequency): Frequency {
  if (frequency.unit !== 'ms') return frequency;
  const lengths: [Frequency['unit'], number][] = [['W', 604_800_000], ['D', 86_400_000], ['h', 3_600_000], ['min', 60_000], ['s', 1000]];
  for (const [unit, length] of lengths) {
    if (frequency.count % length === 0) return { unit, count: frequency.count / length };
  }
  return frequency;
}

/** True where every stamp lies on the grid that starts at the first one. */
export function isOnGrid(times: ArrayLike<number>, frequency: Frequency, zone: TimeZone = UTC): boolean {
  for (let index = 1; index < times.length; index++) {
    if (Number.isNaN(stepsBetween(times[0], times[index], frequency, zone))) return false;
  }
  return true;
}
