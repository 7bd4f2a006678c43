import type { PublishedResult } from './published-results.ts';

export const LRA_TASKS = ['ListOps', 'Text', 'Retrieval', 'Image', 'Pathfinder', 'Path-X'] as const;

/**
 * The rule of our mean. Published ones follow three: a failed task counts as 50; a task without a figure counts as 0; a task without a figure is left out.
 */
export const LRA_MEAN_RULE = 'six-tasks-failed-is-50: mean over the six tasks, a task no better than chance counts as 50; no mean where a task is not reported';

export interface LraRow {
  readonly model: string;
  readonly source: string;
  readonly tasks: { readonly [task in (typeof LRA_TASKS)[number]]: number | 'failed' | 'not reported' };
  /** By `LRA_MEAN_RULE`. */
  readonly mean: number | null;
  /** As printed by the source, by whatever rule. */
  readonly publishedMean: number | null;
  readonly publishedRule: string | null;
}

const FAILED = /no better than chance|fail/i;

/** One row a model and source, with the mean by one named rule beside the published one. */
export function longRangeArena(results: readonly PublishedResult[]): LraRow[] {
  const rows = new Map<string, PublishedResult[]>();
  for (const result of results.filter(({ benchmark }) => benchmark === 'LRA')) {
    const key = `${result.model}\n${result.source}`;
    rows.set(key, [...(rows.get(key) ?? []), result]);
  }
  return [...rows.values()].map((own) => {
    const of = (task: string): PublishedResult | undefined => own.find(({ setting }) => setting.replace(/ \(.*\)$/, '') === task);
    const tasks = Object.fromEntries(LRA_TASKS.map((task) => {
      const result = of(task);
      return [task, result?.value ?? (result !== undefined && FAILED.test(result.note ?? '') ? 'failed' : 'not reported')];
    })) as LraRow['tasks'];
    const published = of('Avg');
    const officialRule = /leaves Path-X out/.test(own[0]!.source) ? 'mean of five, Path-X left out' : null;
    return {
      model: own[0]!.model, source: own[0]!.source, tasks, mean: lraMean(Object.values(tasks)),
      publishedMean: published?.value ?? null, publishedRule: published === undefined ? null : (published.note ?? officialRule),
    };
  });
}

/** By `LRA_MEAN_RULE`. */
export function lraMean(scores: readonly (number | 'failed' | 'not reported')[]): number | null {
  if (scores.length !== LRA_TASKS.length || scores.includes('not reported')) return null;
  return scores.reduce<number>((sum, score) => sum + (typeof score === 'number' ? score : 50), 0) / scores.length;
}
