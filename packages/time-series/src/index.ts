/** Forecasting with state space models: CSV in, forecast with intervals out, beside honest baselines. */
export * from './data/index.ts';
