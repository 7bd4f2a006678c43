import { dropIn } from './drop-in.ts';
import { etth1 } from './etth1.ts';
import { selectiveCopying } from './selective-copying.ts';

export interface ProgramOptions {
  readonly data: string;
  readonly seeds: readonly number[];
  readonly steps: number | undefined;
  /** Further words of the command line, as text. */
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly print: (line: string) => void;
}

/** The programs that are no suite, by name. */
export async function programs(task: string | undefined, { data, seeds, steps, values, print }: ProgramOptions): Promise<unknown[]> {
  const text = (name: string): string | undefined => values[name] as string | undefined;
  const learningRate = text('learning-rate') === undefined ? {} : { learningRate: Number(text('learning-rate')) };
  if (task === 'etth1') {
    const models = text('models')?.split(',') as 'mamba'[] | undefined;
    return etth1({ data, seeds, horizon: Number(text('horizon')), epochs: Number(text('epochs')), start: text('start') as 'zero', averageDecay: Number(text('average')), ...learningRate, ...(models && { models }), onProgress: print });
  }
  if (task === 'selective-copying') {
    const rows: unknown[] = [];
    for (const mixer of text('mixer')?.split(',') ?? ['mamba', 'lstm', 'identity']) {
      for (const seed of mixer === 'mamba' ? seeds : seeds.slice(0, 1)) {
        const onProgress = (step: number, loss: number, accuracy: number): void => print(`${mixer} seed ${seed} step ${step} loss ${loss.toFixed(4)} accuracy ${accuracy.toFixed(4)}`);
        const result = await selectiveCopying({ mixer, seed, ...(steps !== undefined && { steps }), ...learningRate, batchSize: Number(text('batch')), onProgress });
        print(JSON.stringify(result));
        rows.push(result);
      }
    }
    return rows;
  }
  if (task === 'drop-in') return dropIn({ seed: seeds[0] ?? 1, ...(steps !== undefined && { steps }), ...(text('layers') !== undefined && { families: text('layers')!.split(',') }), onProgress: print });
  throw new Error(`Unknown task "${task}", expected etth1, selective-copying or drop-in, or --suite synthetic or --suite lra.`);
}
