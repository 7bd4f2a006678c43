import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { OperationResult, RatioReport } from './report.ts';

/** Okabe and Ito's colours, which stay apart in print and for colour-blind readers. */
const COLOURS: Readonly<Record<string, string>> = { 'this op': '#0072b2', 'naive loop': '#d55e00', 'tfjs ops': '#cc79a7', 'fused LSTM': '#009e73', 'tf.layers.lstm': '#e69f00', attention: '#333333' };
const STYLE = 'body{font:15px/1.5 sans-serif;max-width:900px;margin:2rem auto;padding:0 1rem;color:#222}h2{margin:2.5rem 0 0;font-size:1.2rem}table{border-collapse:collapse;margin:.7rem 0}'
  + 'td,th{padding:.15rem .7rem;text-align:right;border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}svg{max-width:100%;height:auto}.key span{margin-right:1rem}.key i{display:inline-block;width:.8em;height:.8em;margin-right:.3em}';

const escape = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
const number = (value: number | null): string => (value === null ? '–' : value >= 100 ? value.toFixed(0) : value.toPrecision(3));
const percent = (share: number): string => `${(100 * share).toFixed(0)}%`;

function svg(options: Plot.PlotOptions, label: string): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const element = Plot.plot({ width: 760, height: 320, marginLeft: 60, marginRight: 20, style: { background: 'white', fontFamily: 'sans-serif' }, ...options, document: document as unknown as Document });
  element.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  element.setAttribute('role', 'img');
  element.setAttribute('aria-label', label);
  return element.outerHTML;
}

interface Point { readonly L: number; readonly milliseconds: number; readonly form: string }

function pointsOf(operation: OperationResult, report: RatioReport): Point[] {
  const points: Point[] = [];
  const add = (L: number, form: string, milliseconds: number | null): void => { if (milliseconds !== null) points.push({ L, form, milliseconds }); };
  for (const row of operation.lengths) {
    add(row.L, 'this op', row.kernelMilliseconds);
    add(row.L, 'naive loop', row.naiveMilliseconds);
    add(row.L, 'tfjs ops', row.composedMilliseconds);
  }
  for (const row of report.comparisons.lengths) {
    add(row.L, 'fused LSTM', row.fusedLstm);
    add(row.L, 'tf.layers.lstm', row.tfLstm);
    add(row.L, 'attention', row.attention);
  }
  return points;
}

function timePlot(operation: OperationResult, report: RatioReport): string {
  const points = pointsOf(operation, report), forms = Object.keys(COLOURS);
  return svg({
    x: { type: 'log', base: 2, label: 'steps L', ticks: operation.lengths.map(({ L }) => L), tickFormat: (L: number) => (L >= 1024 ? `${L / 1024}k` : String(L)) },
    y: { type: 'log', label: 'milliseconds', grid: true, tickFormat: (value: number) => String(value) },
    color: { domain: forms, range: forms.map((form) => COLOURS[form]!) },
    marks: [
      Plot.line(points, { x: 'L', y: 'milliseconds', stroke: 'form', z: 'form', strokeWidth: (point: Point) => (point.form === 'this op' ? 3 : 1.5) }),
      Plot.dot(points, { x: 'L', y: 'milliseconds', fill: 'form', r: 3 }),
    ],
  }, `${operation.name}: time over length`);
}

function sharePlot(report: RatioReport): string {
  const bars = report.operations.flatMap(({ name, shares }) => [
    { name, of: 'memory bandwidth', share: 100 * shares.bytes }, { name, of: 'multiply-adds', share: 100 * shares.flops }, { name, of: 'exponentials', share: 100 * shares.exponentials },
  ]);
  return svg({
    marginLeft: 150, height: 60 + 50 * report.operations.length, x: { label: '% of what the same process reaches', grid: true }, y: { label: null, axis: null }, fy: { label: null },
    color: { domain: ['memory bandwidth', 'multiply-adds', 'exponentials'], range: ['#56b4e9', '#d55e00', '#009e73'] },
    marks: [Plot.barX(bars, { x: 'share', y: 'of', fy: 'name', fill: 'of' }), Plot.text(bars, { x: 'share', y: 'of', fy: 'name', text: (bar: { share: number }) => `${bar.share.toFixed(0)}%`, dx: 14 }), Plot.ruleX([0])],
  }, 'Shares of the ceilings');
}

const row = (cells: readonly string[], tag = 'td'): string => `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join('')}</tr>`;

function operationSection(operation: OperationResult, report: RatioReport): string {
  const { shares, ceilings } = operation;
  const rows = operation.lengths.map(({ L, kernelMilliseconds, nanosecondsPerElement, ratios }) =>
    row([L.toLocaleString('en'), number(kernelMilliseconds), number(nanosecondsPerElement), ...[ratios.naive, ratios.composed, ratios.fusedLstm, ratios.tfLstm, ratios.attention].map(number)]));
  return [
    `<h2>${escape(operation.name)}</h2><p>${escape(operation.settings)}. Time grows as L<sup>${number(operation.growthExponent)}</sup> (from 4,096 steps on: L<sup>${number(operation.growthExponentLong)}</sup>).`,
    `Reaches ${percent(shares.bytes)} of ${number(ceilings.bytesPerSecond / 1e9)} GB/s (stream ${escape(ceilings.mix)}), ${percent(shares.flops)} of ${number(ceilings.flopsPerSecond / 1e9)} GFLOP/s, ${percent(shares.exponentials)} of ${number(ceilings.exponentialsPerSecond / 1e9)} billion exponentials/s.</p>`,
    timePlot(operation, report),
    `<table>${row(['L', 'ms', 'ns/element', 'naive loop', 'tfjs ops', 'fused LSTM', 'tf.layers.lstm', 'attention'], 'th')}${rows.join('')}</table>`,
  ].join('\n');
}

/** The report as one HTML file that needs nothing else: no script, no network. */
export function ratioPage(report: RatioReport): string {
  const growth = report.comparisons.growthExponents, key = Object.entries(COLOURS).map(([form, colour]) => `<span><i style="background:${colour}"></i>${escape(form)}</span>`).join('');
  return [
    '<!doctype html>', `<html lang="en"><head><meta charset="utf-8"><title>Kernels</title><style>${STYLE}</style></head><body>`, '<h1>Kernels: ratios from one run</h1>',
    `<p>${escape(report.machine)}, ${report.processors} processors, Node ${escape(report.node)}. Kernels: ${escape(report.target)} ${escape(report.instructionSet)}, ${report.threads} threads. tfjs on ${escape(report.backend)}. Batch 1, width ${report.width}, float32, forward. `
      + 'Ratios are the other form\'s time over ours; <em>tfjs ops</em> is the composed form over our op under tfjs, the others are over the bare kernel. A dash was left out because it would have taken too long. '
      + `<em>fused LSTM</em> is our recurrence alone; <em>tf.layers.lstm</em> includes its input projection; <em>attention</em>: ${escape(report.comparisons.attentionForm)}. They grow as L<sup>${number(growth.fusedLstm)}</sup>, L<sup>${number(growth.tfLstm)}</sup> and L<sup>${number(growth.attention)}</sup>.</p>`,
    ...(report.refused.length > 0 ? [`<p>Not reported: ${report.refused.map(({ name, reason }) => escape(`${name} (${reason})`)).join('; ')}.</p>`] : []),
    '<h2>Shares of the ceilings</h2><p>Loops of the same process, in turns with each op at its longest: <span style="color:#56b4e9">a stream with the op\'s mix of reads and writes</span>, <span style="color:#d55e00">multiply-adds in registers</span>, <span style="color:#009e73">exponentials</span>. The longest bar is what holds an op up.</p>',
    sharePlot(report), `<p class="key">${key}</p>`, ...report.operations.map((operation) => operationSection(operation, report)), '</body></html>', '',
  ].join('\n');
}
