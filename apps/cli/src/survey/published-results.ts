import { readFile } from 'node:fs/promises';

/** One published figure. */
export interface PublishedResult {
  readonly benchmark: string;
  /** Split, horizon, task of a suite, resolution: what else decides the figure. */
  readonly setting: string;
  readonly metric: string;
  readonly higherIsBetter: boolean;
  readonly model: string;
  readonly params?: string;
  /** null: reported as failed or not reported; `note` says which. */
  readonly value: number | null;
  readonly spread?: number | string;
  readonly note?: string;
  readonly source: string;
  readonly evidence: string;
  /** Whether the figure was read in its source, not recalled. */
  readonly verified: boolean;
  readonly inSurvey: string;
}

type Group = Pick<PublishedResult, 'benchmark' | 'metric' | 'higherIsBetter' | 'source' | 'evidence' | 'verified' | 'inSurvey'> & {
  readonly rows: readonly Pick<PublishedResult, 'setting' | 'model' | 'params' | 'value' | 'spread' | 'note'>[];
};

const FILE = new URL('../../data/published-results.json', import.meta.url);

/** Every published result that the repository holds, in the order of its sources. */
export async function publishedResults(): Promise<PublishedResult[]> {
  const groups = JSON.parse(await readFile(FILE, 'utf8')) as Group[];
  return groups.flatMap(({ rows, ...head }) => rows.map((row) => ({ ...head, ...row })));
}

const plain = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

/** Size or variant behind a model's name, such as `-T`, `-130M` or ` (ours)`. */
const SIZE = /^[- (]*(?:XXL|XL|Ti|Tiny|Small|Base|Large|T|S|B|L|\d+(?:\.\d+)?[KMB])\)?$/i;

/** Results of one model: its name in any spelling, alone or with a size behind it. */
export function resultsOfModel(results: readonly PublishedResult[], names: readonly string[]): PublishedResult[] {
  const exact = new Set(names.map(plain));
  return results.filter(({ model }) => exact.has(plain(model)) || names.some((name) => model.toLowerCase().startsWith(name.toLowerCase()) && SIZE.test(model.slice(name.length))));
}

/** Results of one task: a benchmark's name in any spelling, or one of its settings when only that fits. */
export function resultsOfTask(results: readonly PublishedResult[], task: string): PublishedResult[] {
  const wanted = plain(task);
  const tests: ((result: PublishedResult) => boolean)[] = [
    ({ benchmark }) => plain(benchmark) === wanted,
    ({ benchmark }) => plain(benchmark).startsWith(wanted),
    ({ setting }) => plain(setting).startsWith(wanted),
  ];
  for (const test of tests) {
    const found = results.filter(test);
    if (found.length > 0) return found;
  }
  return [];
}
