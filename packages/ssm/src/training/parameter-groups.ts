/** Which parameters, by exact name, by the beginning of the name up to a dot, or by pattern. */
export type NamePattern = string | RegExp;

/** Settings that differ for some parameters. */
export interface ParameterGroup {
  readonly match: NamePattern | readonly NamePattern[];
  /** Factor on the learning rate. Default 1. */
  readonly learningRateScale?: number;
  /** Replaces the run's weight decay. */
  readonly weightDecay?: number;
}

/** Decays, skip weights, step sizes, norms and biases are not pulled to zero: their zero is not a neutral value. As the official trainings do. */
export const NO_DECAY = /(^|\.)(A_log|D)$|(^|[._])bias$|(^|\.)norm[^.]*\.|(^|\.)log_dt$/;

export interface GroupSettings { readonly learningRateScale: number; readonly weightDecay: number }

/**
 * Settings of one parameter: the first group that matches, else no decay for `NO_DECAY` and vectors, else the run's own.
 *
 * @param rank - Number of axes; a vector is a bias, a scale or a decay.
 */
export function groupSettings(name: string, rank: number, groups: readonly ParameterGroup[], weightDecay: number): GroupSettings {
  const base = rank < 2 || NO_DECAY.test(name) ? 0 : weightDecay;
  const group = groups.find(({ match }) => matches(name, match));
  return { learningRateScale: group?.learningRateScale ?? 1, weightDecay: group?.weightDecay ?? base };
}

export function matches(name: string, pattern: NamePattern | readonly NamePattern[]): boolean {
  if (typeof pattern === 'string') return name === pattern || name.startsWith(`${pattern}.`);
  if (pattern instanceof RegExp) return pattern.test(name);
  return pattern.some((one) => matches(name, one));
}
