import type { ArgsDef } from 'citty';
import { ConfigError } from '@mamba360/ssm/errors';

/** Options of `mamba360 forecast`, beside the global ones. */
export const FORECAST_OPTIONS = {
  file: { type: 'positional', description: 'CSV file (path or address; .gz is unpacked).', required: true },
  horizon: { type: 'string', description: 'Rows to forecast. Default: one season (24 hours, 7 days, 12 months).', valueHint: 'rows' },
  time: { type: 'string', description: 'Column of times, or none to number the rows. Default: found.', valueHint: 'column' },
  target: { type: 'string', description: 'Columns to forecast, separated by commas. Default: y, else every numeric column.', valueHint: 'columns' },
  id: { type: 'string', description: 'Column that tells series apart. Default: unique_id.', valueHint: 'column' },
  frequency: { type: 'string', description: 'Distance between rows, such as h, 15min, D, M. Default: found.', valueHint: 'step' },
  timeZone: { type: 'string', description: 'Zone of times without offset: UTC, +02:00, Europe/Berlin. Default: UTC.', valueHint: 'zone' },
  delimiter: { type: 'string', description: 'Default: found.', valueHint: 'character' },
  decimal: { type: 'string', description: '. or a comma. Default: found.', valueHint: 'mark' },
  encoding: { type: 'string', description: 'Such as windows-1252. Default: UTF-8, or what the byte order mark says.', valueHint: 'name' },
  fill: { type: 'string', description: 'What to do with missing rows and values: mask, forward or zero. Default: stop.', valueHint: 'method' },
  level: { type: 'string', description: 'Intervals in percent, separated by commas. Default: 80,95.', valueHint: 'percents' },
  minimum: { type: 'string', description: 'Forecast nothing below it, such as 0 for counts. Default: none.', valueHint: 'number' },
  fit: { type: 'boolean', description: 'Train a model on this file instead of using the shipped one.' },
  epochs: { type: 'string', description: 'Passes at most with --fit. Default: 10.', valueHint: 'count' },
  network: { type: 'string', description: 'What --fit trains: mamba, lstm, dlinear or identity (the control). Default: mamba.', valueHint: 'name' },
  preset: { type: 'string', description: 'Its size: tiny, small or base. Default: small.', valueHint: 'name' },
  inputSize: { type: 'string', description: 'Rows it sees with --fit. Default: several seasons.', valueHint: 'rows' },
  compare: { type: 'boolean', description: 'With --fit: train DLinear, an LSTM of about equal size and the control too, and print them beside.' },
  model: { type: 'string', description: 'Folder of a model saved before.', valueHint: 'folder' },
  save: { type: 'string', description: 'Folder to save the trained model in (with --fit).', valueHint: 'folder' },
  plot: { type: 'string', description: 'Write a plot with bands: .html or .svg.', valueHint: 'file' },
  output: { type: 'string', description: 'Write the forecast table as CSV.', valueHint: 'file' },
} as const satisfies ArgsDef;

/** The words of the command line, as the parser hands them over. */
export type ForecastArguments = { readonly [name in keyof typeof FORECAST_OPTIONS]?: string | boolean | undefined };

/** The same, read and checked. */
export interface ForecastSettings {
  readonly file: string;
  readonly horizon: number | undefined;
  readonly time: string | null | undefined;
  readonly target: readonly string[] | undefined;
  readonly id: string | undefined;
  readonly frequency: string | undefined;
  readonly timeZone: string | undefined;
  readonly delimiter: string | undefined;
  readonly decimal: '.' | ',' | undefined;
  readonly encoding: string | undefined;
  readonly fill: 'mask' | 'forward' | 'zero' | undefined;
  readonly levels: readonly number[];
  readonly minimum: number | undefined;
  readonly fit: boolean;
  readonly epochs: number;
  readonly network: 'mamba' | 'lstm' | 'dlinear' | 'identity';
  readonly preset: 'tiny' | 'small' | 'base';
  readonly inputSize: number | undefined;
  readonly compare: boolean;
  readonly model: string | undefined;
  readonly save: string | undefined;
  readonly plot: string | undefined;
  readonly output: string | undefined;
}

/**
 * Read and check the options, before any file is touched.
 *
 * @throws ConfigError naming option, value and what is allowed.
 */
export function readForecastOptions(args: ForecastArguments): ForecastSettings {
  const text = (name: keyof ForecastArguments): string | undefined => (typeof args[name] === 'string' ? args[name] : undefined);
  const whole = (name: keyof ForecastArguments, option: string): number | undefined => {
    const value = text(name);
    if (value === undefined) return undefined;
    if (!/^\d+$/.test(value) || Number(value) < 1 || Number(value) > 100_000) throw new ConfigError(`${option} is "${value}", expected a whole number from 1 to 100000.`);
    return Number(value);
  };
  const oneOf = <T extends string>(name: keyof ForecastArguments, option: string, choices: readonly T[]): T | undefined => {
    const value = text(name);
    if (value === undefined || (choices as readonly string[]).includes(value)) return value as T | undefined;
    throw new ConfigError(`${option} is "${value}", expected ${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}.`);
  };
  const fit = args.fit === true;
  const settings: ForecastSettings = {
    file: text('file') ?? '', horizon: whole('horizon', '--horizon'), time: text('time') === 'none' ? null : text('time'), target: text('target')?.split(',').map(name => name.trim()),
    id: text('id'), frequency: text('frequency'), timeZone: text('timeZone'), delimiter: text('delimiter') === '\\t' ? '\t' : text('delimiter'), decimal: oneOf('decimal', '--decimal', ['.', ',']),
    encoding: text('encoding'), fill: oneOf('fill', '--fill', ['mask', 'forward', 'zero']), levels: readLevels(text('level') ?? '80,95'), minimum: readMinimum(text('minimum')), fit,
    epochs: whole('epochs', '--epochs') ?? 10, network: oneOf('network', '--network', ['mamba', 'lstm', 'dlinear', 'identity']) ?? 'mamba',
    preset: oneOf('preset', '--preset', ['tiny', 'small', 'base']) ?? 'small', inputSize: whole('inputSize', '--input-size'), compare: args.compare === true,
    model: text('model'), save: text('save'), plot: text('plot'), output: text('output'),
  };
  if (fit && settings.model !== undefined) throw new ConfigError('--fit trains a new model and --model takes a saved one: give one of them.');
  for (const name of ['epochs', 'network', 'preset', 'inputSize', 'compare', 'save'] as const) {
    if (!fit && args[name] !== undefined && args[name] !== false) throw new ConfigError(`--${name === 'inputSize' ? 'input-size' : name} belongs to --fit, which is not given. Add --fit to train a model on this file.`);
  }
  if (settings.plot !== undefined && !/\.(html?|svg)$/i.test(settings.plot)) throw new ConfigError(`--plot is "${settings.plot}", expected a file name that ends in .html or .svg.`);
  return settings;
}

function readMinimum(text: string | undefined): number | undefined {
  if (text === undefined || /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return text === undefined ? undefined : Number(text);
  throw new ConfigError(`--minimum is "${text}", expected a number such as 0 or -273.15.`);
}

function readLevels(text: string): number[] {
  // Number() alone would take hexadecimal and exponents too.
  const levels = text.split(',').map(word => (/^\s*\d+(\.\d+)?\s*%?\s*$/.test(word) ? Number(word.trim().replace(/\s*%$/, '')) : Number.NaN));
  if (levels.some(level => !(level > 0 && level < 100))) throw new ConfigError(`--level is "${text}", expected percentages between 0 and 100 separated by commas, such as 80,95.`);
  return [...new Set(levels)].sort((a, b) => a - b);
}
