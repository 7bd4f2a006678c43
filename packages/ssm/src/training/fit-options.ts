import type { NamePattern, ParameterGroup } from './parameter-groups.ts';
import type { BatchSource } from './batch-source.ts';
import type { EarlyStoppingOptions } from './early-stopping.ts';
import type { AdamWOptions } from './optimizer.ts';
import type { OnProgress } from './progress.ts';
import type { Schedule } from './schedules.ts';
import type { Trainable } from './trainable.ts';
import { ConfigError } from '../errors/index.ts';

export interface FitOptions<Batch> {
  /** Passes over the source. */
  readonly epochs: number;
  /** Decides every random choice of the run. Default 0. */
  readonly seed?: number | string;
  /** Default .001. */
  readonly learningRate?: number;
  /** Default constant. */
  readonly schedule?: Schedule;
  /** Decoupled decay of matrices; see `NO_DECAY`. Default .01. */
  readonly weightDecay?: number;
  /** Betas and epsilon. */
  readonly optimizer?: Pick<AdamWOptions, 'beta1' | 'beta2' | 'epsilon'>;
  /** Learning rate and decay that differ for some parameters; first match wins. */
  readonly groups?: readonly ParameterGroup[];
  /** Global norm above which gradients are scaled down. Default 1; `Infinity` turns it off. */
  readonly clipNorm?: number;
  /** Batches whose gradients are averaged in one update. Default 1. */
  readonly accumulate?: number;
  /** Keep an exponential moving average of the weights, used for validation and at the end. Off by default; .999 is common. */
  readonly averageDecay?: number;
  /** Parameters that stay as they are. */
  readonly freeze?: readonly NamePattern[];
  /** Carry the model's state from batch to batch, without gradients across (truncated backpropagation). Default false. */
  readonly carryState?: boolean;
  /** After every epoch: the mean loss over a source (as `loss`), or values of your own. */
  readonly validation?: BatchSource<Batch> | ((model: Trainable<Batch>) => Record<string, number> | Promise<Record<string, number>>);
  readonly earlyStopping?: EarlyStoppingOptions;
  readonly checkpoint?: CheckpointOptions;
  /** Stops at the next batch with AbortedError; with `checkpoint`, the work so far is saved first. */
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

export interface CheckpointOptions {
  /** Folder for this run alone. */
  readonly folder: string;
  /** Updates between checkpoints; one is also written after every epoch. Default: only after epochs and by time. */
  readonly everySteps?: number;
  /** Seconds between checkpoints. Default 60. */
  readonly everySeconds?: number;
  /** Checkpoints kept. Default 2, so that a damaged newest one does not lose the run. */
  readonly keep?: number;
  /** Continue from what the folder holds. Default true. */
  readonly resume?: boolean;
}

/** One row of the history table. */
export interface HistoryRow {
  readonly epoch: number;
  /** Mean training loss of the epoch, dropout on. */
  readonly loss: number;
  /** Learning rate of the epoch's last update. */
  readonly learningRate: number;
  readonly seconds: number;
  readonly validation?: Record<string, number>;
}

export interface FitResult {
  readonly history: readonly HistoryRow[];
  /** Updates done. */
  readonly steps: number;
  readonly stoppedEarly: boolean;
  /** Epoch whose weights the model now has: the best one with early stopping, else the last. */
  readonly bestEpoch: number;
  /** Step of the checkpoint this run continued from, or null. */
  readonly resumedFrom: number | null;
}

/** @throws ConfigError naming the option, its value and what is allowed. */
export function checkFitOptions<Batch>(options: FitOptions<Batch>): void {
  const fail = (name: string, value: unknown, expected: string): never => {
    throw new ConfigError(`fit: ${name} is ${String(value)}, expected ${expected}.`);
  };
  const { epochs, learningRate = 1e-3, accumulate = 1, clipNorm = 1, averageDecay, weightDecay = 0, checkpoint } = options;
  if (!Number.isSafeInteger(epochs) || epochs < 1) fail('epochs', epochs, 'a whole number of at least 1');
  if (!(learningRate > 0 && Number.isFinite(learningRate))) fail('learningRate', learningRate, 'a number above 0');
  if (!Number.isSafeInteger(accumulate) || accumulate < 1) fail('accumulate', accumulate, 'a whole number of batches of at least 1');
  if (!(clipNorm > 0)) fail('clipNorm', clipNorm, 'a number above 0, or Infinity for none');
  if (!(weightDecay >= 0)) fail('weightDecay', weightDecay, 'a number of at least 0');
  if (averageDecay !== undefined && !(averageDecay > 0 && averageDecay < 1)) fail('averageDecay', averageDecay, 'a number between 0 and 1, such as .999');
  if (options.earlyStopping && !options.validation) fail('earlyStopping', 'given without validation', 'a validation source to watch');
  if (checkpoint && typeof checkpoint.folder !== 'string') fail('checkpoint.folder', checkpoint.folder, 'the path of a folder');
  if (checkpoint?.keep !== undefined && !(Number.isSafeInteger(checkpoint.keep) && checkpoint.keep >= 1)) fail('checkpoint.keep', checkpoint.keep, 'a whole number of at least 1');
}
