export { backtestFigure as backtest } from './backtest-figure.ts';
export type { BacktestFigureOptions } from './backtest-figure.ts';
export { toHtml, toSvg } from './figure.ts';
export type { Figure } from './figure.ts';
export { forecastFigure as forecast } from './forecast-figure.ts';
export type { ForecastFigureOptions } from './forecast-figure.ts';
export { historyFigure as history } from './history-figure.ts';
export type { HistoryRow } from './history-figure.ts';
