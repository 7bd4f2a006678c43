export { crpsFromQuantiles, intervalCoverage, intervalWidth, pinballLoss } from './interval-metrics.ts';
export { coverage, crps, levelToQuantiles, mae, mase, mse, pinball, rmse, smape, width } from './metric.ts';
export type { Metric, ScoredForecast } from './metric.ts';
export { meanAbsoluteError, meanAbsoluteScaledError, meanSquaredError, overallWeightedAverage, rootMeanSquaredError, seasonalNaiveError, symmetricMape } from './point-metrics.ts';
