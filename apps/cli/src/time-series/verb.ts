import { defineVerb } from '../frame/verb.ts';
import { FORECAST_OPTIONS } from './forecast-options.ts';

/** `mamba360 forecast` and `mamba360 time-series forecast`. */
export const command = defineVerb({
  name: 'forecast',
  description: 'Forecasts a CSV file: table, intervals, scores on a held-back tail beside the baselines, plot.',
  options: FORECAST_OPTIONS,
  async run(args, context) {
    const { runForecast } = await import('./run-forecast.ts');
    return runForecast(args, context);
  },
});
