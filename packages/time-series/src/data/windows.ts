import type { Series } from './table.ts';

/** One training example: rows `start` to `start + inputSize` are seen, the `horizon` rows after are to be forecast. */
export interface WindowPlace { readonly series: number; readonly start: number }

export interface WindowOptions {
  readonly inputSize: number;
  readonly horizon: number;
  /** Rows between the starts of neighbouring windows. Default: 1. */
  readonly stride?: number;
  /** First row whose value may be a target; context may lie before it. Default: the first row with full context. */
  readonly from?: (series: Series, index: number) => number;
  /** Row after the last one that may be a target. Default: the length. */
  readonly to?: (series: Series, index: number) => number;
}

/**
 * The places of all windows, none dropped: the last window ends with the last row allowed.
 *
 * @remarks `from` and `to` bound the targets, so a validation window may look back into training rows but no training window looks ahead.
 */
export function windowsOf(series: readonly Series[], options: WindowOptions): WindowPlace[] {
  const { inputSize, horizon, stride = 1 } = options;
  const places: WindowPlace[] = [];
  series.forEach((one, index) => {
    const first = Math.max(0, (options.from?.(one, index) ?? 0) - inputSize);
    const last = (options.to?.(one, index) ?? one.times.length) - inputSize - horizon;
    // Counted from the end, so that a stride never drops the newest window.
    const own: WindowPlace[] = [];
    for (let start = last; start >= first; start -= stride) own.push({ series: index, start });
    places.push(...own.reverse());
  });
  return places;
}
