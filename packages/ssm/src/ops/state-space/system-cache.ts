import type { Raw, ScanSystem } from './system.ts';

/** Keeps the discrete system of the last parameters, so that a stream of single steps prepares it once. */
export interface SystemCache {
  /** The system of these parameters: the kept one where every number is the same, else a new one. */
  system(raw: Raw, make: () => ScanSystem): ScanSystem;
}

const same = (a: Raw, b: Raw): boolean => Object.keys(a).length === Object.keys(b).length
  && Object.entries(a).every(([name, values]) => b[name]?.length === values.length && values.every((value, i) => Object.is(value, b[name]![i])));

/** An empty cache; one for each layer, because options are not compared. */
export function createSystemCache(): SystemCache {
  let kept: { raw: Raw; system: ScanSystem } | undefined;
  return {
    system(raw, make) {
      if (!kept || !same(raw, kept.raw)) kept = { raw, system: make() };
      return kept.system;
    },
  };
}
