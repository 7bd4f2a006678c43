import type { Random } from '@mamba360/ssm/random';

/** Sequences with what must be said about them. */
export interface TaskBatch {
  readonly batch: number;
  readonly length: number;
  /** Tokens [batch, length] or numbers [batch, length, channels], row after row. */
  readonly inputs: Int32Array | Float32Array;
  /** The class to be said at each step, -1 where none is asked [batch, length]; one a sequence where the task pools [batch], one a pair [batch / 2]. */
  readonly targets: Int32Array;
  /** Steps that count in each row, where rows are padded on the right. */
  readonly lengths?: Int32Array;
}

/** Sequences that every model is scored on, the same for all seeds. */
export interface TestSet {
  readonly name: string;
  readonly batches: number;
  batch(index: number): TaskBatch | Promise<TaskBatch>;
}

/** How one training goes. */
export interface Recipe {
  readonly dModel: number;
  readonly nLayer: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly weightDecay?: number;
}

/** Percent, of accuracy or, where `scaled`, of the way from chance to all. */
export interface Bar {
  readonly floor: number;
  readonly target?: number;
  readonly stretch?: number;
  /** What others report, with its source. */
  readonly published?: string;
}

/** A task of a suite: data, what is scored, which models, and what they must and must not reach. */
export interface LearningTask {
  readonly name: string;
  readonly reads: { readonly kind: 'tokens'; readonly vocabSize: number } | { readonly kind: 'numbers'; readonly channels: number };
  readonly classes: number;
  /**
   * `positions`: answers at steps; `mean`: one answer from the mean over counted steps; `pair`: one answer for two sequences read by one model, the first half
   * of the rows against the second, from both means and a bilinear form of them.
   */
  readonly answer: 'positions' | 'mean' | 'pair';
  /** Longest sequence that is trained on. */
  readonly trainLength: number;
  /** Longest sequence of any set. */
  readonly maximumLength: number;
  /** @param progress - Share of the training that is done, from 0 to 1, for lengths that grow. */
  train(random: Random, progress: number, batchSize: number): TaskBatch | Promise<TaskBatch>;
  readonly validation: TestSet;
  readonly tests: readonly TestSet[];
  /** The test that is held against the bar. */
  readonly headline: string;
  /** Accuracy of guessing. */
  readonly chance: number;
  /** Score in percent of the way from chance to all, as the state-tracking papers print it. */
  readonly scaled?: boolean;
  readonly bar: Bar;
  /** First one: the model whose size the others are given. */
  readonly models: readonly string[];
  readonly baselines: readonly string[];
  readonly controls: readonly { readonly mixer: string; readonly atMost: number; readonly why: string }[];
  readonly recipe: Recipe;
  /** What differs for some mixers. */
  readonly recipes?: Readonly<Record<string, Partial<Recipe>>>;
  /** Accuracy on the headline test of what looks at no order, by name. */
  trivial?(): Promise<Readonly<Record<string, number>>>;
  /** What others print for this very task, best first. */
  published?(): Promise<readonly { readonly model: string; readonly value: number; readonly source: string }[]>;
}

/** Answers at the last counted step of each row only. */
export function atLastStep(classes: ArrayLike<number>, length: number, lengths?: ArrayLike<number>): Int32Array {
  const targets = new Int32Array(classes.length * length).fill(-1);
  for (let row = 0; row < classes.length; row++) targets[row * length + (lengths?.[row] ?? length) - 1] = classes[row]!;
  return targets;
}

/** A test set of generated sequences, each batch from a stream of its own. */
export function generated(name: string, options: { batches: number; random: Random; batch: (random: Random) => TaskBatch }): TestSet {
  return { name, batches: options.batches, batch: (index) => options.batch(options.random.split(name).split(index)) };
}
