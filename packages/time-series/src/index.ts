/** Forecasting with state space models: CSV in, forecast with intervals out, beside honest baselines. */
export * from './data/index.ts';
export * as baselines from './baselines/index.ts';
export * as metrics from './metrics/index.ts';
export * as plots from './plots/index.ts';
