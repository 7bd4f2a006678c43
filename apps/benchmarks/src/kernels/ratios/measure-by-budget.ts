import { median } from '../measure.ts';

export interface Budget {
  /** Turns of a function that is quick enough. */
  readonly turns: number;
  /** Milliseconds a function may take in all its turns; those before, until the code is compiled, take a quarter of it at most. */
  readonly milliseconds: number;
}

const WARM_UPS = 30, WARM_UP_SHARE = 0.25;

/**
 * Times functions in turns, so that a slow moment of the machine falls on all alike; slow ones get fewer turns, one at least.
 *
 * @returns Median milliseconds by name. A function too slow for that is timed on its only call.
 */
export function measureByBudget<Name extends string>(functions: Readonly<Record<Name, () => void>>, { turns, milliseconds }: Budget): Record<Name, number> {
  const names = Object.keys(functions) as Name[], times = new Map<Name, number[]>(), counts = new Map<Name, number>();
  const once = (name: Name): number => {
    const started = performance.now();
    functions[name]();
    return performance.now() - started;
  };
  for (const name of names) {
    const began = performance.now();
    let last = once(name), warmUps = 1;
    // JavaScript is compiled while it runs: short calls are repeated until that is done.
    for (; warmUps < WARM_UPS && last + (performance.now() - began) < milliseconds * WARM_UP_SHARE; warmUps++) last = once(name);
    const count = Math.max(0, Math.min(turns, Math.floor(milliseconds / last)));
    counts.set(name, count);
    times.set(name, count === 0 ? [last] : []);
  }
  for (let turn = 0; turn < turns; turn++) for (const name of names) if (turn < counts.get(name)!) times.get(name)!.push(once(name));
  return Object.fromEntries(names.map((name) => [name, median(times.get(name)!)])) as Record<Name, number>;
}
