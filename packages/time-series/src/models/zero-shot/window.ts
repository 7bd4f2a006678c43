/** Shape of the shipped zero-shot model: what one window becomes before the network sees it. */
export interface ZeroShotShape {
  /** Steps of history used (shorter histories are padded on the left and masked). */
  readonly contextLength: number;
  /** Steps in one token. */
  readonly patchLength: number;
  /** Steps forecast in one pass; longer horizons are rolled. */
  readonly horizon: number;
}

/** Rows of the candidate table, in order. */
export const CANDIDATES = ['last', 'recent-mean', 'season', 'season-mean', 'season-level', 'long-season', 'long-season-level', 'window-mean'] as const;

/** Values beside the last token's hidden state: season flags and lengths, share of observed steps, log length, log noise. */
export const STATIC_FEATURES = 7;

export interface ZeroShotWindow {
  /** Normalised values and observed flags of each token, [contextLength / patchLength, 2 * patchLength]. */
  readonly tokens: Float32Array;
  /** 1 where the token holds at least one observed step; padding is on the left. */
  readonly tokenMask: Uint8Array;
  /** Simple forecasts in normalised units, [horizon, CANDIDATES.length]. */
  readonly candidates: Float32Array;
  readonly statics: Float32Array;
  /** Mean absolute change over one season (8 steps where there is none), in normalised units, at least 0.002: the size of what a season cannot explain. */
  readonly noise: number;
  /** value = normalised * scale + center. */
  readonly center: number;
  readonly scale: number;
}

/** Value of the most recent observed step that lies a whole number of seasons before `target`, NaN if none is left in the context. */
function seasonal(values: ArrayLike<number>, target: number, season: number): number {
  for (let at = target - season; at >= 0; at -= season) if (at < values.length && Number.isFinite(values[at])) return values[at];
  return Number.NaN;
}

/** Mean of up to four observed steps that lie whole seasons before `target`, NaN if none. */
function seasonalMean(values: ArrayLike<number>, target: number, season: number): number {
  let sum = 0;
  let count = 0;
  for (let at = target - season; at >= 0 && count < 4; at -= season) {
    if (at >= values.length || !Number.isFinite(values[at])) continue;
    sum += values[at];
    count++;
  }
  return count > 0 ? sum / count : Number.NaN;
}

/** Mean of the observed values in [from, to), NaN if there is none. */
function meanBetween(values: ArrayLike<number>, from: number, to: number): number {
  let sum = 0;
  let count = 0;
  for (let i = Math.max(0, from); i < Math.min(to, values.length); i++) if (Number.isFinite(values[i])) { sum += values[i]; count++; }
  return count > 0 ? sum / count : Number.NaN;
}

/** Mean absolute difference of observed values `lag` steps apart, NaN if there is no such pair. */
function meanChange(values: ArrayLike<number>, lag: number): number {
  let sum = 0;
  let count = 0;
  for (let i = lag; i < values.length; i++) {
    const change = Math.abs(values[i] - values[i - lag]);
    if (Number.isFinite(change)) { sum += change; count++; }
  }
  return count > 0 ? sum / count : Number.NaN;
}

/** The first finite number of a list, NaN if none. */
function firstFinite(...list: number[]): number {
  for (const value of list) if (Number.isFinite(value)) return value;
  return Number.NaN;
}

/**
 * Turns the last `contextLength` steps of one series into tokens, candidates and the scale that undoes the normalisation.
 *
 * @param history - Values on a regular grid, oldest first; NaN where missing. At least one value must be finite.
 * @param seasons - Seasonal periods in steps, short then long; 0 where there is none.
 * @remarks Center is the mean and scale the standard deviation of the observed steps in the context (population form), with a floor so that a
 * constant series stays finite. A candidate that does not exist (too little history, no season) repeats the last observed value.
 */
export function zeroShotWindow(history: ArrayLike<number>, seasons: readonly [number, number], shape: ZeroShotShape): ZeroShotWindow {
  const { contextLength, patchLength, horizon } = shape;
  const length = Math.min(history.length, contextLength);
  const context = new Float64Array(length);
  for (let i = 0; i < length; i++) context[i] = history[history.length - length + i];
  let sum = 0;
  let observed = 0;
  let last = Number.NaN;
  for (const value of context) if (Number.isFinite(value)) { sum += value; observed++; last = value; }
  const center = observed > 0 ? sum / observed : 0;
  let square = 0;
  for (const value of context) if (Number.isFinite(value)) square += (value - center) ** 2;
  const scale = Math.max(Math.sqrt(square / Math.max(observed, 1)), 1e-3 * Math.abs(center), 1e-6);
  const tokens = new Float32Array((contextLength / patchLength) * 2 * patchLength);
  const tokenMask = new Uint8Array(contextLength / patchLength);
  for (let i = 0; i < length; i++) {
    if (!Number.isFinite(context[i])) continue;
    const at = contextLength - length + i;
    const token = Math.floor(at / patchLength);
    const within = at % patchLength;
    tokens[token * 2 * patchLength + within] = (context[i] - center) / scale;
    tokens[token * 2 * patchLength + patchLength + within] = 1;
    tokenMask[token] = 1;
  }
  const recent: number[] = [];
  for (let i = length - 1; i >= 0 && recent.length < 8; i--) if (Number.isFinite(context[i])) recent.push(context[i]);
  const recentMean = recent.reduce((a, b) => a + b, 0) / Math.max(recent.length, 1);
  const candidates = new Float32Array(horizon * CANDIDATES.length);
  const [first, second] = seasons;
  // How far the level moved against one (long) season ago, over one short season.
  const recentLevel = first > 0 ? meanBetween(context, length - first, length) : Number.NaN;
  const shortShift = first > 0 ? recentLevel - meanBetween(context, length - 2 * first, length - first) : Number.NaN;
  const longShift = first > 0 && second > first ? recentLevel - meanBetween(context, length - first - second, length - second) : Number.NaN;
  const has = [0, 0];
  for (let step = 0; step < horizon; step++) {
    const short = seasons[0] > 0 ? seasonal(context, length + step, seasons[0]) : Number.NaN;
    const shortMean = seasons[0] > 0 ? seasonalMean(context, length + step, seasons[0]) : Number.NaN;
    const long = seasons[1] > 0 ? seasonal(context, length + step, seasons[1]) : Number.NaN;
    if (Number.isFinite(short)) has[0]++;
    if (Number.isFinite(long)) has[1]++;
    const row = [
      last, recentMean, short, shortMean, firstFinite(short + shortShift * (Math.floor(step / Math.max(first, 1)) + 1), short),
      firstFinite(long, short), firstFinite(long + longShift, long, short), center,
    ];
    for (let k = 0; k < row.length; k++) candidates[step * row.length + k] = ((Number.isFinite(row[k]) ? row[k] : last) - center) / scale;
  }
  const noise = Math.min(2, Math.max(0.002, firstFinite(first > 0 ? meanChange(context, first) : Number.NaN, meanChange(context, 8), 1) / scale));
  const statics = Float32Array.from([
    has[0] / horizon, has[1] / horizon, seasons[0] > 0 ? Math.log2(seasons[0]) / 8 : 0, seasons[1] > 0 ? Math.log2(seasons[1]) / 8 : 0,
    observed / contextLength, Math.log2(1 + observed) / 9, Math.log2(noise) / 4,
  ]);
  return { tokens, tokenMask, candidates, statics, noise, center, scale };
}
