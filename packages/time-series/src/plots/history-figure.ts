import * as Plot from '@observablehq/plot';
import { COLOURS, FRAME } from './figure.ts';
import type { Figure } from './figure.ts';

/** One epoch of a training run. */
export interface HistoryRow { readonly epoch: number; readonly loss: number; readonly validationLoss?: number | undefined }

/** Training and validation loss by epoch, the best validation epoch marked. */
export function historyFigure(history: readonly HistoryRow[]): Figure {
  const validated = history.filter(row => row.validationLoss !== undefined && Number.isFinite(row.validationLoss));
  const best = validated.reduce<HistoryRow | undefined>((a, b) => (a && a.validationLoss! <= b.validationLoss! ? a : b), undefined);
  return {
    title: 'Loss by epoch',
    caption: `Blue: training.${validated.length > 0 ? ` Orange: validation, best in epoch ${best!.epoch}.` : ''}`,
    options: {
      ...FRAME,
      x: { label: 'epoch', ticks: Math.min(10, history.length), tickFormat: (epoch: number) => (Number.isInteger(epoch) ? String(epoch) : '') },
      y: { label: 'loss', grid: true },
      marks: [
        Plot.lineY(history, { x: 'epoch', y: 'loss', stroke: COLOURS.forecast, strokeWidth: 2, marker: 'dot' }),
        Plot.lineY(validated, { x: 'epoch', y: 'validationLoss', stroke: COLOURS.baseline, strokeWidth: 2, marker: 'dot' }),
        ...(best ? [Plot.ruleX([best.epoch], { stroke: COLOURS.cut, strokeDasharray: '3,3' })] : []),
      ],
    },
  };
}
