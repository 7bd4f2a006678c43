import * as Plot from '@observablehq/plot';
import type { Table } from '../data/table.ts';
import type { Forecast } from '../tasks/forecast-result.ts';
import { COLOURS, FRAME } from './figure.ts';
import type { Figure } from './figure.ts';

export interface BacktestFigureOptions {
  readonly id?: string;
  readonly target?: string;
}

/** Every forecast of a backtest over the truth; each starts at a dashed line. */
export function backtestFigure(table: Table, forecasts: readonly Forecast[], options: BacktestFigureOptions = {}): Figure {
  const id = options.id ?? forecasts[0].series[0].id;
  const target = options.target ?? forecasts[0].targets[0];
  const made = forecasts.flatMap(forecast => forecast.get(id) ?? []);
  const series = table.get(id);
  const clock = table.frequency.unit !== 'step';
  const place = (time: number): Date | number => (clock ? new Date(time + table.zone.offsetAt(time)) : time);
  const start = made.reduce((least, one) => Math.min(least, one.times[0]), Number.POSITIVE_INFINITY);
  const horizon = made[0]?.times.length ?? 0;
  const first = Math.max(0, series.times.findIndex(time => time >= start) - 2 * horizon);
  const truth = Array.from(series.times).slice(first).map((time, index) => ({ time: place(time), value: series.values[target][first + index] }));
  const lines = made.map(one => Plot.lineY(
    Array.from(one.times, (time, step) => ({ time: place(time), value: one.columns[target].mean[step] })),
    { x: 'time', y: 'value', stroke: COLOURS.forecast, strokeWidth: 2 },
  ));
  const bands = made.flatMap(one => [...one.columns[target].intervals].sort((a, b) => b.level - a.level).map(({ low, high }, index) => Plot.areaY(
    Array.from(one.times, (time, step) => ({ time: place(time), low: low[step], high: high[step] })),
    { x: 'time', y1: 'low', y2: 'high', fill: COLOURS.band, fillOpacity: 0.25 + 0.15 * index },
  )));
  return {
    title: `${target}${table.series.length > 1 ? `, ${id}` : ''}: ${made.length} forecasts of ${horizon} rows, each from what was known then`,
    caption: 'Grey: what came true. Blue: forecasts.',
    options: {
      ...FRAME,
      x: { ...(clock ? { type: 'utc' } : {}), label: null },
      y: { label: target, grid: true },
      marks: [
        ...bands,
        Plot.ruleX(made.map(one => place(one.times[0])), { stroke: COLOURS.cut, strokeDasharray: '3,3' }),
        Plot.lineY(truth, { x: 'time', y: 'value', stroke: COLOURS.truth, strokeWidth: 1.2 }),
        ...lines,
      ],
    },
  };
}
