import { ConfigError } from '@mamba360/ssm/errors';
import type { WindowPlace } from '../data/windows.ts';
import { levelToQuantiles } from '../metrics/metric.ts';
import { CalibrationBuilder, canCalibrate, conformalWidth } from './conformal.ts';
import type { Calibration } from './conformal.ts';
import type { ColumnForecast } from './forecast-result.ts';
import type { ForecasterConfig } from './forecaster-options.ts';
import type { WindowForecasts } from './predict.ts';
import type { PreparedSeries } from './prepare.ts';

/** Calibrations by what they correct: `point` the middle forecast, `80` the model's own interval of that level. */
export type Calibrations = ReadonlyMap<string, Calibration>;

/** Levels for which the quantiles of the loss are the bounds. */
export function ownLevels(config: ForecasterConfig): number[] {
  return config.quantiles.filter(quantile => quantile < 0.5 && config.quantiles.some(other => Math.abs(other - (1 - quantile)) < 1e-9))
    .map(quantile => Math.round((1 - 2 * quantile) * 1e6) / 1e4);
}

/**
 * Score held-out forecasts: |truth - middle| for points, and how far the truth lies outside the model's own intervals (negative inside).
 *
 * @see Romano, Patterson, Candes 2019, arXiv 1905.03222, for the second.
 */
export function calibrate(made: WindowForecasts, series: readonly PreparedSeries[], places: readonly WindowPlace[], config: ForecasterConfig): Calibrations {
  const { columns, steps, outputs } = made;
  const middle = Math.max(0, config.quantiles.indexOf(0.5));
  const levels = ownLevels(config);
  const builders = new Map(['point', ...levels.map(String)].map(name => [name, new CalibrationBuilder(columns, steps)]));
  const pairs = levels.map(level => ({ builder: builders.get(String(level))!, ...boundsOf(level, config) }));
  places.forEach(({ series: index, start }, window) => {
    for (let step = 0; step < steps; step++) {
      for (let column = 0; column < columns; column++) {
        const truth = series[index].targets[column][start + config.inputSize + step];
        const at = ((window * steps + step) * columns + column) * outputs, scale = made.scales[window * columns + column];
        builders.get('point')!.add(column, step, Math.abs(truth - made.values[at + middle]) / scale);
        for (const { builder, low, high } of pairs) builder.add(column, step, Math.max(made.values[at + low] - truth, truth - made.values[at + high]) / scale);
      }
    }
  });
  const built = [...builders].map(([name, builder]) => [name, builder.build()] as const);
  return new Map(built.filter((entry): entry is [string, Calibration] => entry[1] !== undefined));
}

/**
 * The forecast of one window as point and intervals.
 *
 * @param window - index in `made`.
 * @throws ConfigError for a level that neither the loss nor a calibration can give.
 */
export function columnForecast(made: WindowForecasts, window: number, column: number, levels: readonly number[], config: ForecasterConfig, calibrations: Calibrations): ColumnForecast {
  const { steps, columns, outputs } = made;
  const at = (step: number, output: number): number => made.values[((window * steps + step) * columns + column) * outputs + output];
  const middle = Math.max(0, config.quantiles.indexOf(0.5));
  const mean = Float64Array.from({ length: steps }, (_, step) => at(step, middle));
  const scale = made.scales[window * columns + column];
  const intervals = levels.map(level => {
    levelToQuantiles(level);
    const own = ownLevels(config).includes(level) ? boundsOf(level, config) : undefined;
    const found = calibrations.get(own ? String(level) : 'point');
    // Too few held-out forecasts to correct the loss's own interval: it stands as it is.
    const calibration = own && found && !canCalibrate(found, level) ? undefined : found;
    if (!own && !calibration) {
      const choices = ownLevels(config);
      throw new ConfigError(
        `level: got ${level}, but the loss "${config.loss}" has no quantiles for it and nothing was held out to calibrate it. `
        + `${choices.length > 0 ? `Ask for ${choices.join(' or ')}, or fit` : 'Fit'} with a calibration share (fit(table, { calibration: 0.1 })).`);
    }
    const half = (step: number): number => (calibration ? conformalWidth(calibration, column, step, level) * scale : 0);
    const low = Float64Array.from({ length: steps }, (_, step) => (own ? at(step, own.low) : mean[step]) - half(step));
    const high = Float64Array.from({ length: steps }, (_, step) => (own ? at(step, own.high) : mean[step]) + half(step));
    return { level, low: low.map((value, step) => Math.min(value, mean[step])), high: high.map((value, step) => Math.max(value, mean[step])) };
  });
  return { mean, intervals: nest(intervals) };
}

/** Each level is calibrated alone, so a wider level could come out narrower at some step: it takes the bounds of the narrower one then. */
function nest(intervals: ColumnForecast['intervals']): ColumnForecast['intervals'] {
  let inner: ColumnForecast['intervals'][number] | undefined;
  const nested = new Map<number, ColumnForecast['intervals'][number]>();
  for (const one of [...intervals].sort((a, b) => a.level - b.level)) {
    const within = inner;
    const wide = within ? { level: one.level, low: one.low.map((value, step) => Math.min(value, within.low[step])), high: one.high.map((value, step) => Math.max(value, within.high[step])) } : one;
    nested.set(one.level, wide);
    inner = wide;
  }
  return intervals.map(({ level }) => nested.get(level)!);
}

function boundsOf(level: number, config: ForecasterConfig): { low: number; high: number } {
  const [below, above] = levelToQuantiles(level);
  const find = (wanted: number): number => config.quantiles.findIndex(quantile => Math.abs(quantile - wanted) < 1e-6);
  return { low: find(below), high: find(above) };
}
