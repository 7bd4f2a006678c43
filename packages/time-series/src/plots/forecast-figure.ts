import * as Plot from '@observablehq/plot';
import type { Table } from '../data/table.ts';
import type { Forecast } from '../tasks/forecast-result.ts';
import { COLOURS, FRAME } from './figure.ts';
import type { Figure } from './figure.ts';

export interface ForecastFigureOptions {
  /** Which series. Default: the first. */
  readonly id?: string;
  /** Which target. Default: the first. */
  readonly target?: string;
  /** Rows drawn before the forecast. Default: four times the horizon. */
  readonly history?: number;
  /** What came true, drawn over the forecast. */
  readonly truth?: Table;
}

interface Point { time: Date | number; value: number }

/** The end of the history, the forecast, and its bands: the widest lightest. */
export function forecastFigure(table: Table, forecast: Forecast, options: ForecastFigureOptions = {}): Figure {
  const id = options.id ?? forecast.series[0].id;
  const target = options.target ?? forecast.targets[0];
  const made = forecast.get(id);
  const before = table.get(id);
  if (!made) throw new Error(`forecastFigure: the forecast has no series "${id}", it has ${forecast.series.map(one => one.id).join(', ')}.`);
  const { mean, intervals } = made.columns[target];
  const clock = table.frequency.unit !== 'step';
  const place = (time: number): Date | number => (clock ? new Date(time + table.zone.offsetAt(time)) : time);
  const points = (times: ArrayLike<number>, values: ArrayLike<number>, from = 0): Point[] =>
    Array.from(times).slice(from).map((time, index) => ({ time: place(time), value: values[from + index] }));
  const shown = Math.min(before.times.length, options.history ?? 4 * mean.length);
  const past = points(before.times, before.values[target], before.times.length - shown);
  const truth = options.truth?.series.find(one => one.id === id);
  const bands = [...intervals].sort((a, b) => b.level - a.level).map(({ level, low, high }, index) => Plot.areaY(
    Array.from(made.times, (time, step) => ({ time: place(time), low: low[step], high: high[step] })),
    { x: 'time', y1: 'low', y2: 'high', fill: COLOURS.band, fillOpacity: 0.25 + 0.15 * index, ariaLabel: `${level}% interval` },
  ));
  const levels = intervals.map(({ level }) => `${level}%`).join(' and ');
  return {
    title: `${target}${table.series.length > 1 ? `, ${id}` : ''}: forecast of ${mean.length} rows`,
    caption: `Grey: what was known. Blue: forecast by ${forecast.madeBy}${levels ? `, with its ${levels} interval${intervals.length > 1 ? 's' : ''}` : ''}.${truth ? ' Orange: what came true.' : ''}`,
    options: {
      ...FRAME,
      x: { ...(clock ? { type: 'utc' } : {}), label: null },
      y: { label: target, grid: true },
      marks: [
        ...bands,
        Plot.lineY(past, { x: 'time', y: 'value', stroke: COLOURS.truth, strokeWidth: 1.2 }),
        ...(truth ? [Plot.lineY(points(truth.times, truth.values[target]).slice(0, mean.length), { x: 'time', y: 'value', stroke: COLOURS.baseline, strokeWidth: 1.2 })] : []),
        Plot.lineY(points(made.times, mean), { x: 'time', y: 'value', stroke: COLOURS.forecast, strokeWidth: 2 }),
        Plot.ruleX([place(made.times[0])], { stroke: COLOURS.cut, strokeDasharray: '3,3' }),
      ],
    },
  };
}
