/** Forecasting with state space models: CSV in, forecast with intervals out, beside honest baselines. Nothing is exported yet: see the table of packages in the repository's README for what works today. */
export {};
