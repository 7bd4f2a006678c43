import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

/** A figure is data: Observable Plot options with a title. Draw it with `toSvg`, `toHtml`, or hand `options` to Plot yourself. */
export interface Figure {
  readonly title: string;
  readonly caption?: string;
  readonly options: Plot.PlotOptions;
}

/** Colours that stay apart in print and for colour-blind readers (Okabe and Ito's palette). */
export const COLOURS = { truth: '#333333', forecast: '#0072b2', band: '#56b4e9', baseline: '#d55e00', second: '#009e73', cut: '#999999' } as const;

/** The size all figures share, so that several stand well below one another. */
export const FRAME: Plot.PlotOptions = { width: 760, height: 300, marginLeft: 60, marginRight: 20, marginTop: 24, style: { background: 'white', fontFamily: 'sans-serif' } };

/**
 * Draw a figure as one SVG document. Works without a DOM (Node, workers).
 *
 * @returns text that starts with `<svg`, with the namespace that a file of its own needs.
 */
export function toSvg(figure: Figure): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const element = Plot.plot({ ...figure.options, document: document as unknown as Document });
  element.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  element.setAttribute('role', 'img');
  element.setAttribute('aria-label', figure.title);
  return element.outerHTML;
}

/**
 * Draw figures as one HTML file that needs nothing else: no script, no network.
 *
 * @param text - paragraphs above the figures.
 */
export function toHtml(figures: readonly Figure[], options: { title?: string; text?: readonly string[] } = {}): string {
  const title = escapeHtml(options.title ?? figures[0]?.title ?? 'Forecast');
  const paragraphs = (options.text ?? []).map(line => `<p>${escapeHtml(line)}</p>`);
  const drawn = figures.map(figure => [
    `<figure><h2>${escapeHtml(figure.title)}</h2>`, toSvg(figure), figure.caption ? `<figcaption>${escapeHtml(figure.caption)}</figcaption>` : '', '</figure>',
  ].join('\n'));
  const style = 'body{font:16px/1.5 sans-serif;max-width:800px;margin:2rem auto;padding:0 1rem;color:#222}figure{margin:2rem 0}h2{font-size:1rem;margin:0}figcaption{color:#555}svg{max-width:100%;height:auto}';
  return `<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>${title}</title><style>${style}</style></head>\n<body>\n<h1>${title}</h1>\n${[...paragraphs, ...drawn].join('\n')}\n</body>\n</html>\n`;
}

function escapeHtml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}
