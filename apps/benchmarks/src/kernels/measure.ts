/** Middle value; of an even number of values the lower of the two middle ones. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] as number;
}

export interface Timing {
  readonly medianMilliseconds: number;
  readonly bestMilliseconds: number;
}

/**
 * Times several functions in turns, so that a slow moment of the machine falls on all of them alike. Unmeasured turns come first, by default one.
 */
export function measureInTurns<Name extends string>(functions: Readonly<Record<Name, () => void>>, turns: number, warmUp = 1): Record<Name, Timing> {
  const names = Object.keys(functions) as Name[];
  const times = new Map<Name, number[]>(names.map((name) => [name, []]));
  for (let turn = -warmUp; turn < turns; turn++) {
    for (const name of names) {
      const started = performance.now();
      functions[name]();
      if (turn >= 0) times.get(name)?.push(performance.now() - started);
    }
  }
  return Object.fromEntries(names.map((name) => {
    const values = times.get(name) as number[];
    return [name, { medianMilliseconds: median(values), bestMilliseconds: Math.min(...values) }];
  })) as Record<Name, Timing>;
}
