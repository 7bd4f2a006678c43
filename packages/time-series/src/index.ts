/** Forecasting with state space models: CSV in, forecast with intervals out, beside honest baselines. */
export * from './data/index.ts';
export * as baselines from './baselines/index.ts';
export * as metrics from './metrics/index.ts';
export * as plots from './plots/index.ts';
export * from './tasks/index.ts';
export { createNetwork, MODELS } from './models/registry.ts';
export type { ModelEntry, ModelName, PresetName } from './models/registry.ts';
export type { ForecastNetwork, ForwardOptions, NetworkInput, NetworkSizes } from './models/forecast-network.ts';
