export { SHIPPED_CONFIG, zeroShotBatch, ZeroShotNetwork } from './network.ts';
export type { ZeroShotBatch, ZeroShotConfig } from './network.ts';
export { zeroShotForecast } from './forecast.ts';
export type { ZeroShotForecast, ZeroShotSeries } from './forecast.ts';
export { CANDIDATES, zeroShotWindow } from './window.ts';
export type { ZeroShotShape, ZeroShotWindow } from './window.ts';
