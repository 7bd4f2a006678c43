import { ConfigError, DataError } from '@mamba360/ssm/errors';

/** Numbers in the order of time. NaN in the truth is a missing value and is passed over. */
export type Values = ArrayLike<number>;

/** Mean of (truth - forecast)^2. */
export function meanSquaredError(truth: Values, forecast: Values): number {
  return meanOver('meanSquaredError', truth, forecast, (y, f) => (y - f) ** 2);
}

/** Mean of |truth - forecast|. */
export function meanAbsoluteError(truth: Values, forecast: Values): number {
  return meanOver('meanAbsoluteError', truth, forecast, (y, f) => Math.abs(y - f));
}

/** Square root of the mean squared error, in the unit of the data. */
export function rootMeanSquaredError(truth: Values, forecast: Values): number {
  return Math.sqrt(meanSquaredError(truth, forecast));
}

/**
 * Mean of 2 |truth - forecast| / (|truth| + |forecast|), times 100; 0 where both are 0.
 *
 * @see Makridakis, Spiliotis, Assimakopoulos 2020, The M4 Competition, section 2.2.
 */
export function symmetricMape(truth: Values, forecast: Values): number {
  return 100 * meanOver('symmetricMape', truth, forecast, (y, f) => (y === f ? 0 : 2 * Math.abs(y - f) / (Math.abs(y) + Math.abs(f))));
}

/**
 * Mean absolute error divided by that of the seasonal naive forecast within the training rows.
 *
 * @param training - rows before the forecast.
 * @param season - rows a period, at least 1.
 * @returns NaN where the training rows repeat exactly or are too few, because no scale exists then.
 * @see Hyndman and Koehler 2006, Another look at measures of forecast accuracy, equation for MASE; M4 uses the same.
 */
export function meanAbsoluteScaledError(truth: Values, forecast: Values, training: Values, season = 1): number {
  const scale = seasonalNaiveError(training, season);
  const error = meanAbsoluteError(truth, forecast);
  return scale > 0 ? error / scale : Number.NaN;
}

/** Mean |y[t] - y[t - season]| over training rows; NaN where there are no such pairs. */
export function seasonalNaiveError(training: Values, season: number): number {
  if (!Number.isInteger(season) || season < 1) throw new ConfigError(`season: got ${season}, expected an integer of at least 1.`);
  let sum = 0, count = 0;
  for (let row = season; row < training.length; row++) {
    const difference = Math.abs(training[row] - training[row - season]);
    if (Number.isNaN(difference)) continue;
    sum += difference;
    count++;
  }
  return count === 0 ? Number.NaN : sum / count;
}

/**
 * Overall weighted average of the M4 competition: mean of sMAPE and MASE, each relative to the same of Naive2.
 *
 * @param scores - means over all series of the model and of Naive2.
 */
export function overallWeightedAverage(scores: { smape: number; mase: number; naive2Smape: number; naive2Mase: number }): number {
  return (scores.smape / scores.naive2Smape + scores.mase / scores.naive2Mase) / 2;
}

/** Mean of `loss` over the pairs whose truth is known. */
export function meanOver(name: string, truth: Values, forecast: Values, loss: (truth: number, forecast: number, index: number) => number): number {
  if (truth.length !== forecast.length) throw new DataError(`${name}: got ${forecast.length} forecasts for ${truth.length} true values, expected as many.`);
  let sum = 0, count = 0;
  for (let index = 0; index < truth.length; index++) {
    if (Number.isNaN(truth[index])) continue;
    sum += loss(truth[index], forecast[index], index);
    count++;
  }
  return count === 0 ? Number.NaN : sum / count;
}
