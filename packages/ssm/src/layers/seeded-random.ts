import { Random } from '../random/index.ts';

/** Where first values come from: a seed (default 0), or a generator that a larger model split off its own. */
export interface SeedOptions { readonly seed?: number | string; readonly random?: Random }

export function seededRandom(options: SeedOptions): Random {
  return options.random ?? Random.fromSeed(options.seed ?? 0);
}
