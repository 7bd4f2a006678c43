import { describe, expect, it } from 'vitest';
import { addSteps, parseFrequency } from '../data/frequency.ts';
import { fromRows } from '../data/from-rows.ts';
import { UTC } from '../data/time-zone.ts';
import { Forecast } from '../tasks/forecast-result.ts';
import * as plots from './index.ts';

const daily = parseFrequency('D');
const start = Date.UTC(2024, 0, 1);
const table = fromRows(Array.from({ length: 12 }, (_, step) => ({ ds: addSteps(start, step, daily), y: step % 3 === 2 ? null : step % 5 })), { frequency: 'D' });
const made = new Forecast([{
  id: 'series', times: Float64Array.from({ length: 3 }, (_, step) => addSteps(start, 12 + step, daily)),
  columns: { y: { mean: Float64Array.of(1, 2, 3), intervals: [{ level: 80, low: Float64Array.of(0, 1, 2), high: Float64Array.of(2, 3, 4) }, { level: 95, low: Float64Array.of(-1, 0, 1), high: Float64Array.of(3, 4, 5) }] } },
}], { targets: ['y'], levels: [80, 95], frequency: daily, zone: UTC, madeBy: 'a test' });

describe('figures', () => {
  it('draw without a DOM', () => {
    expect(typeof document).toBe('undefined');
    const svg = plots.toSvg(plots.forecast(table, made, { history: 6 }));
    expect(svg.startsWith('<svg')).toBe(true);
    expect(svg).toContain('xmlns="http://www.w3.org/2000/svg"');
  });

  it('look as they did: forecast, backtest, history', async () => {
    await expect(plots.toSvg(plots.forecast(table, made, { history: 6 }))).toMatchFileSnapshot('__snapshots__/forecast.svg');
    await expect(plots.toSvg(plots.backtest(table, [made]))).toMatchFileSnapshot('__snapshots__/backtest.svg');
    await expect(plots.toSvg(plots.history([{ epoch: 1, loss: 2, validationLoss: 3 }, { epoch: 2, loss: 1, validationLoss: 1.5 }, { epoch: 3, loss: 0.5, validationLoss: 1.7 }]))).toMatchFileSnapshot('__snapshots__/history.svg');
  });

  it('make one HTML file that loads nothing and escapes names', () => {
    const figure = { ...plots.forecast(table, made), title: '<b>&"' };
    const html = plots.toHtml([figure], { title: 'A & B', text: ['<script>alert(1)</script>'] });
    expect(html).toContain('<h1>A &amp; B</h1>');
    expect(html).toContain('&lt;b&gt;&amp;&quot;');
    expect(html).not.toMatch(/<script|src=|href=/);
  });

  it('the caption names levels and maker', () => {
    expect(plots.forecast(table, made).caption).toBe('Grey: what was known. Blue: forecast by a test, with its 80% and 95% intervals.');
  });
});

describe('forecast table', () => {
  it('has the columns people expect', () => {
    expect([...made.table.rows()][0]).toEqual({ unique_id: 'series', ds: '2024-01-13', 'mean': 1, 'lo-80': 0, 'hi-80': 2, 'lo-95': -1, 'hi-95': 3 });
    expect(made.toCsv().split('\n')[0]).toBe('unique_id,ds,mean,lo-80,hi-80,lo-95,hi-95');
  });
});
