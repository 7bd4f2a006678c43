import { readFile } from 'node:fs/promises';

/** One published figure of the Long Range Arena. */
export interface PublishedRow { readonly model: string; readonly value: number; readonly source: string }

interface Group { readonly benchmark: string; readonly source: string; readonly rows: readonly { readonly setting: string; readonly model: string; readonly value: number | null }[] }

/** The survey's rows of one task, best first: the data of `mamba360 survey`. */
export async function publishedRows(setting: string): Promise<PublishedRow[]> {
  const groups = JSON.parse(await readFile(new URL('../../../../cli/data/published-results.json', import.meta.url), 'utf8')) as Group[];
  return groups.filter(({ benchmark, source }) => benchmark === 'LRA' && source.startsWith('badripatro/mamba360'))
    .flatMap(({ source, rows }) => rows.flatMap((row) => (row.setting === setting && row.value !== null ? [{ model: row.model, value: row.value, source }] : [])))
    .sort((a, b) => b.value - a.value);
}
