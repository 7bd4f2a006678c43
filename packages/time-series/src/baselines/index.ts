export { drift, naive, seasonalNaive, windowMean } from './naive.ts';
export type { BaselineForecast } from './naive.ts';
export { fitRidge } from './ridge.ts';
export type { Ridge, RidgeOptions } from './ridge.ts';
