import { sha256 } from '../checkpoints/index.ts';
import { ConfigError } from '../errors/index.ts';
import { namedParameters } from '../layers/index.ts';
import type { BatchSource } from './batch-source.ts';
import { CheckpointStore } from './checkpoint-store.ts';
import { checkFitOptions } from './fit-options.ts';
import type { FitOptions, FitResult } from './fit-options.ts';
import { Run } from './run.ts';
import type { RunCounters } from './run.ts';
import type { Trainable } from './trainable.ts';
import { throwIfAborted, yieldToEventLoop } from './yield-to-event-loop.ts';

/**
 * Trains a model: AdamW with parameter groups, schedule, clipping, accumulation, weight averaging, early stopping, crash-safe checkpoints.
 *
 * @param model - Named parameters and a loss on a batch; changed in place.
 * @param source - Batches by position; tensors in them are disposed here.
 * @returns History and what the model now holds.
 * @throws ConfigError for an impossible option, or a checkpoint folder of another run. NotFiniteError when loss or gradients stop being finite, naming
 * step and first bad tensor; parameters are then those before the step. AbortedError by `signal`.
 * @remarks float32 only. Equal seed, equal backend: equal bits, also when the run was killed and resumed. Yields to the event loop between batches.
 * Nothing but the model's own parameters stays in memory afterwards.
 * @see Loshchilov and Hutter 2019, arXiv 1711.05101.
 */
export async function fit<Batch>(model: Trainable<Batch>, source: BatchSource<Batch>, options: FitOptions<Batch>): Promise<FitResult> {
  checkFitOptions(options);
  throwIfAborted(options.signal);
  const run = new Run(model, source, options);
  try {
    if (run.trainable.length === 0) throw new ConfigError('fit: freeze leaves no parameter to train. Freeze fewer.');
    const { checkpoint } = options;
    const store = checkpoint ? new CheckpointStore<RunCounters>(checkpoint.folder, await identity(model, source, options), checkpoint.keep ?? 2) : undefined;
    let resumedFrom: number | null = null;
    if (store && checkpoint?.resume !== false) {
      const found = await store.load((message) => options.onProgress?.({ type: 'warning', code: 'checkpoint-damaged', message }));
      if (found) {
        run.restore(found);
        resumedFrom = found.counters.step;
      }
    }
    await trainEpochs(run, store);
    return { ...run.finish(), resumedFrom };
  } finally {
    run.dispose();
  }
}

async function trainEpochs<Batch>(run: Run<Batch>, store: CheckpointStore<RunCounters> | undefined): Promise<void> {
  const { options } = run;
  const { everySteps, everySeconds = 60 } = options.checkpoint ?? {};
  let savedAt = performance.now();
  const save = async (): Promise<void> => {
    if (!store) return;
    const path = await store.save(await run.checkpoint());
    savedAt = performance.now();
    options.onProgress?.({ type: 'checkpoint-saved', path });
  };
  while (!run.finished) {
    run.startEpoch();
    while (!run.epochFinished) {
      const updated = await run.trainBatch();
      const due = (everySteps !== undefined && run.counters.step % everySteps === 0) || performance.now() - savedAt >= everySeconds * 1000;
      // Between updates there are half-summed gradients, which a checkpoint does not hold.
      if (updated && (due || options.signal?.aborted)) await save();
      await yieldToEventLoop(options.signal);
    }
    await run.endEpoch();
    await save();
    await yieldToEventLoop(options.signal);
  }
}

/** What must be equal for a checkpoint to be continued; counters and paths are not part of it. */
async function identity<Batch>(model: Trainable<Batch>, source: BatchSource<Batch>, options: FitOptions<Batch>): Promise<string> {
  const { signal: _signal, onProgress: _onProgress, checkpoint: _checkpoint, validation, ...rest } = options;
  const settings = JSON.stringify({ ...rest, validation: validation !== undefined }, (_key, value: unknown) =>
    (value instanceof RegExp || value === Infinity ? String(value) : value));
  const shapes = namedParameters(model.parameters).map(([name, variable]) => `${name} [${variable.shape}]`).join('\n');
  return sha256(settings, JSON.stringify(model.config ?? null), shapes, `${source.batchCount(0)} batches`);
}
