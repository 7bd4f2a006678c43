/* oxlint-disable no-console -- an example prints */
// Trains a small model on two years of hourly weather and air quality, and compares it with the baselines on rows it never saw.
// Run from the repository root: npx tsx --conditions=@mamba360/source packages/time-series/examples/forecast-pm25.ts
import { Forecaster, metrics, plots, readCsv, splitTail } from '@mamba360/time-series';
import { writeFile } from 'node:fs/promises';

const file = new URL('../data/beijing-pm25-2013-2014.csv.gz', import.meta.url);
const table = await readCsv(file, { target: ['pm2.5', 'TEMP'], covariates: [] });
const { before } = splitTail(table, 28 * 24);

const forecaster = await Forecaster.create({ model: 'mamba', preset: 'tiny', horizon: 24, inputSize: 96, seed: 1 });
const run = await forecaster.fit(before, { epochs: 3, stepsPerEpoch: 60 });
console.log(`epoch ${run.bestEpoch} kept, ${run.seconds.toFixed(0)} s`);

const backtest = await forecaster.backtest(table, { windows: 28 });
console.log(backtest.score([metrics.mae({ scaled: true }), metrics.mase({ season: 24 }), metrics.crps(), metrics.coverage(95)]).toString());

const forecast = await forecaster.forecast({ history: table, level: [80, 95] });
const folder = process.argv[2];
if (folder) await writeFile(`${folder}/pm25.html`, plots.toHtml([plots.forecast(table, forecast), plots.history(run.history)]));
forecaster.dispose();
