import type { LearningTask } from './task.ts';
import type { CellRow } from './train-cell.ts';

/** What a task's rows say together. */
export interface TaskVerdict {
  readonly task: string;
  readonly headline: string;
  readonly unit: 'accuracy %' | 'scaled accuracy %';
  readonly bar: { readonly floor: number; readonly target?: number; readonly stretch?: number; readonly published?: string };
  /** Percent on the headline test of what looks at no order. */
  readonly trivial: Readonly<Record<string, number>>;
  /** What others print for the task, best first. */
  readonly published: readonly { readonly model: string; readonly value: number; readonly source: string }[];
  /** Mean over seeds of the best model, and the step of the bar it reaches. */
  readonly best: { readonly mixer: string; readonly score: number; readonly seeds: number } | null;
  readonly reached: 'stretch' | 'target' | 'floor' | 'missed' | 'not run';
  readonly controls: readonly { readonly mixer: string; readonly atMost: number; readonly worst: number | null; readonly verdict: 'fails as it must' | 'DOES NOT FAIL' | 'not run' }[];
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Holds the rows of one task against its bar and its controls. */
export function taskVerdict(task: LearningTask, rows: readonly CellRow[], trivial: Readonly<Record<string, number>> = {}, published: TaskVerdict['published'] = []): TaskVerdict {
  const own = rows.filter((row) => row.task === task.name);
  const scores = (mixer: string): number[] => own.filter((row) => row.mixer === mixer).map((row) => row.score ?? 0);
  const ranked = [...new Set(own.filter(({ role }) => role === 'model').map(({ mixer }) => mixer))]
    .map((mixer) => ({ mixer, score: mean(scores(mixer)), seeds: scores(mixer).length })).sort((a, b) => b.score - a.score);
  const best = ranked[0] ?? null;
  // A bar of 0 stands for: 10 points above the better trivial baseline.
  const floor = task.bar.floor > 0 || Object.keys(trivial).length === 0 ? task.bar.floor : 10 + Math.max(...Object.values(trivial));
  const { target, stretch } = task.bar;
  const score = best?.score ?? -Infinity;
  const reached = best === null ? 'not run' : stretch !== undefined && score >= stretch ? 'stretch' : target !== undefined && score >= target ? 'target' : score >= floor ? 'floor' : 'missed';
  const controls = task.controls.map(({ mixer, atMost }) => {
    const found = scores(mixer);
    const worst = found.length === 0 ? null : Math.max(...found);
    return { mixer, atMost, worst, verdict: worst === null ? 'not run' : worst <= atMost ? 'fails as it must' : 'DOES NOT FAIL' } as const;
  });
  return { task: task.name, headline: task.headline, unit: task.scaled ? 'scaled accuracy %' : 'accuracy %', bar: { ...task.bar, floor }, trivial, published, best, reached, controls };
}

const percent = (value: number | null | undefined): string => (value === null || value === undefined ? '-' : (100 * value).toFixed(1));

/** Rows and verdicts for a terminal. */
export function suiteText(rows: readonly CellRow[], verdicts: readonly TaskVerdict[], missing: readonly string[]): string {
  const lines = rows.map((row) => [
    row.task, row.mixer, row.role, String(row.seed), String(row.parameters), String(row.steps), row.stopped, row.seconds.toFixed(0), row.score === null ? '-' : row.score.toFixed(1),
    Object.entries(row.tests).map(([name, accuracy]) => `${name} ${percent(accuracy)}`).join(', '),
  ]);
  const table = [['task', 'mixer', 'role', 'seed', 'parameters', 'steps', 'stopped', 'seconds', 'score', 'accuracy %'], ...lines];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((line) => line[column]!.length)));
  const said = verdicts.map(({ task, headline, unit, bar, trivial, published, best, reached, controls }) => [
    `${task} (${headline}, ${unit}): floor ${bar.floor.toFixed(1)}${bar.target === undefined ? '' : `, target ${bar.target}`}${bar.stretch === undefined ? '' : `, stretch ${bar.stretch}`}; ${best === null ? 'no model was run' : `best ${best.mixer} ${best.score.toFixed(1)} over ${best.seeds} seeds`}: ${reached.toUpperCase()}`,
    ...(bar.published === undefined ? [] : [`  published: ${bar.published}`]),
    ...(Object.keys(trivial).length === 0 ? [] : [`  without order: ${Object.entries(trivial).map(([name, score]) => `${name} ${score.toFixed(1)}`).join(', ')}`]),
    ...(published.length === 0 ? [] : [`  ${published[0]!.source}: ${published.map(({ model, value }) => `${model} ${value}`).join(', ')}`]),
    ...controls.map(({ mixer, atMost, worst, verdict }) => `  control ${mixer}: at most ${atMost}, got ${worst === null ? '-' : worst.toFixed(1)}: ${verdict}`),
  ].join('\n'));
  return [
    ...table.map((line) => line.map((text, column) => text.padEnd(widths[column]!)).join('  ').trimEnd()), '', ...said,
    ...(missing.length === 0 ? [] : ['', `Not registered, so not run: ${missing.join(', ')}.`]),
    ...rows.filter(({ problem }) => problem !== undefined).map(({ task, mixer, seed, problem }) => `${task} ${mixer} seed ${seed}: ${problem}`),
  ].join('\n');
}
