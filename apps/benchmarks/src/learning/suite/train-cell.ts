import { AbortedError, SsmError } from '@mamba360/ssm/errors';
import { mixers } from '@mamba360/ssm/models';
import type { Backbone } from '@mamba360/ssm/models';
import { fit } from '@mamba360/ssm/training';
import type { BatchSource, FitOptions } from '@mamba360/ssm/training';
import { countParameters, taskAccuracy, taskLoss, taskModel, tensorBatch, widthForParameters } from './model.ts';
import type { TensorBatch } from './model.ts';
import type { LearningTask, Recipe, TestSet } from './task.ts';

export interface CellOptions {
  readonly task: LearningTask;
  readonly mixer: string;
  readonly seed: number;
  /** Budget of the training, in minutes of wall time. */
  readonly minutes: number;
  /** In place of the recipe's. */
  readonly steps?: number | undefined;
  readonly onProgress?: ((line: string) => void) | undefined;
}

export type Role = 'model' | 'baseline' | 'control' | 'other';

/** One training and its scores. */
export interface CellRow {
  readonly task: string;
  readonly mixer: string;
  readonly role: Role;
  readonly seed: number;
  readonly parameters: number;
  readonly recipe: Recipe;
  /** Updates done, and why no more: all done, solved in validation twice running, or out of time. */
  readonly steps: number;
  readonly stopped: 'steps' | 'solved' | 'budget' | 'failed';
  /** Steps of sequences trained on. */
  readonly tokens: number;
  readonly seconds: number;
  readonly validation: readonly { readonly step: number; readonly loss: number; readonly accuracy: number }[];
  /** Accuracy by test, from 0 to 1; null where the model cannot read it, with the reason. */
  readonly tests: Readonly<Record<string, number | null>>;
  /** Percent on the headline test, in the unit of the bar. */
  readonly score: number | null;
  readonly problem?: string;
}

/** Parameters of the state that S4 and its kin train slowly and without decay; those of Mamba have no decay by default. */
const STATE_PARAMETERS = /(^|\.)(log_dt|inv_dt|log_step|A_real|A_imag|log_A_real|inv_A_real|Lambda(_re|_im)?|Lambda_.*|nu_log|theta_log|gamma_log|P|B)$/;
const STATE_RATE = 1e-3;

export function roleOf({ models, baselines, controls }: LearningTask, mixer: string): Role {
  if (controls.some((control) => control.mixer === mixer)) return 'control';
  return models.includes(mixer) ? 'model' : baselines.includes(mixer) ? 'baseline' : 'other';
}

/** In percent of all, or of the way from chance to all. */
export const scoreOf = ({ scaled = false, chance }: LearningTask, accuracy: number): number => 100 * (scaled ? (accuracy - chance) / (1 - chance) : accuracy);

/** The recipe of a mixer: the task's, at a width that gives it as many parameters as the task's first model. */
function recipeFor(task: LearningTask, mixer: string): Recipe {
  const recipe = { ...task.recipe, ...task.recipes?.[mixer] };
  const reference = task.models[0]!;
  // The control is the same model without its mixer, not another one of the same size.
  if (mixer === reference || mixer === 'identity' || !mixers().some(({ name }) => name === reference)) return recipe;
  const count = (name: string, dModel: number): number => {
    const model = taskModel(task, name, { ...recipe, dModel }, 0);
    const parameters = countParameters(model);
    model.dispose();
    return parameters;
  };
  const wanted = count(reference, task.recipe.dModel);
  return { ...recipe, dModel: widthForParameters(wanted, (dModel) => count(mixer, dModel)) };
}

async function accuracyOn(task: LearningTask, model: Backbone, test: TestSet): Promise<number> {
  let [right, asked] = [0, 0];
  for (let index = 0; index < test.batches; index++) {
    const counted = taskAccuracy(task, model, await test.batch(index));
    right += counted.right;
    asked += counted.asked;
  }
  return right / asked;
}

/** Trains one mixer on one task from one seed, and scores it once on each test. */
export async function trainCell(options: CellOptions): Promise<CellRow> {
  const { task, mixer, seed, minutes, onProgress } = options;
  const started = performance.now();
  const recipe = recipeFor(task, mixer);
  const model = taskModel(task, mixer, recipe, seed);
  try {
    const steps = options.steps ?? await affordableSteps(task, mixer, recipe, minutes);
    const run = await trainModel(task, model, recipe, { steps, seed, minutes, onProgress: (line) => onProgress?.(`${task.name} ${mixer} seed ${seed} ${line}`) });
    const tests: Record<string, number | null> = {};
    const problems: string[] = run.problem === undefined ? [] : [run.problem];
    for (const test of run.stopped === 'failed' ? [] : task.tests) {
      try {
        tests[test.name] = await accuracyOn(task, model, test);
      } catch (error) {
        if (!SsmError.isInstance(error)) throw error;
        tests[test.name] = null;
        problems.push(`${test.name}: ${error.message}`);
      }
    }
    const accuracy = tests[task.headline] ?? null;
    return {
      task: task.name, mixer, role: roleOf(task, mixer), seed, parameters: countParameters(model), recipe, steps: run.steps, stopped: run.stopped, tokens: run.tokens,
      seconds: (performance.now() - started) / 1000, validation: run.validation, tests, score: accuracy === null ? null : scoreOf(task, accuracy),
      ...(problems.length > 0 && { problem: problems.join(' ') }),
    };
  } finally {
    model.dispose();
  }
}

interface Trained { readonly steps: number; readonly stopped: CellRow['stopped']; readonly tokens: number; readonly validation: CellRow['validation']; readonly problem?: string }

async function trainModel(task: LearningTask, model: Backbone, recipe: Recipe, { steps, seed, minutes, onProgress }: { steps: number; seed: number; minutes: number; onProgress(line: string): void }): Promise<Trained> {
  const perEpoch = Math.max(1, Math.min(250, Math.ceil(steps / 10)));
  const epochs = Math.ceil(steps / perEpoch);
  const stop = new AbortController();
  const deadline = performance.now() + 1.1 * minutes * 60_000;
  const validation: { step: number; loss: number; accuracy: number }[] = [];
  let [tokens, done] = [0, 0];
  let stopped: CellRow['stopped'] = 'steps';
  const end = (reason: CellRow['stopped']): void => {
    stopped = reason;
    stop.abort();
  };
  const source: BatchSource<TensorBatch> = {
    batchCount: () => perEpoch,
    batch: async ({ epoch, index, random }) => {
      const raw = await task.train(random.split(index), (epoch * perEpoch + index) / (epochs * perEpoch), recipe.batchSize);
      tokens += raw.lengths?.reduce((a, b) => a + b, 0) ?? raw.batch * raw.length;
      return tensorBatch(task, raw);
    },
  };
  const fitOptions: FitOptions<TensorBatch> = {
    epochs, seed, learningRate: recipe.learningRate, weightDecay: recipe.weightDecay ?? 0.01, signal: stop.signal,
    schedule: { kind: 'cosine', warmupSteps: Math.min(100, Math.ceil(steps / 10)), minimum: 0.02 },
    groups: [{ match: STATE_PARAMETERS, learningRateScale: Math.min(1, STATE_RATE / recipe.learningRate), weightDecay: 0 }],
    validation: async () => ({ accuracy: await accuracyOn(task, model, task.validation) }),
    onProgress: (event) => {
      if (event.type === 'batch-end') {
        done = event.epoch * perEpoch + event.batch + 1;
        if (performance.now() > deadline) end('budget');
      } else if (event.type === 'epoch-end') {
        const accuracy = event.validation?.accuracy ?? Number.NaN;
        validation.push({ step: done, loss: event.loss, accuracy });
        onProgress(`step ${done} of ${epochs * perEpoch} loss ${event.loss.toFixed(4)} accuracy ${accuracy.toFixed(4)}`);
        if (event.epoch + 1 < epochs && validation.slice(-2).filter((one) => one.accuracy >= 0.9995).length === 2) end('solved');
      }
    },
  };
  try {
    await fit({ parameters: model.parameters, config: model.config, loss: (batch: TensorBatch) => taskLoss(task, model, batch) }, source, fitOptions);
  } catch (error) {
    // Our own stop leaves the weights of its step, which are then scored; a loss that is not finite is a result too.
    if (error instanceof AbortedError && stop.signal.aborted) return { steps: done, stopped, tokens, validation };
    if (SsmError.isInstance(error) && error.code === 'not-finite') return { steps: done, stopped: 'failed', tokens, validation, problem: error.message };
    throw error;
  }
  return { steps: done, stopped, tokens, validation };
}

/** How many updates the budget pays, timed on a model that is thrown away; at most the recipe's. */
async function affordableSteps(task: LearningTask, mixer: string, recipe: Recipe, minutes: number): Promise<number> {
  const model = taskModel(task, mixer, recipe, 0);
  const times: number[] = [];
  let last = performance.now();
  const source: BatchSource<TensorBatch> = { batchCount: () => 4, batch: async ({ index, random }) => tensorBatch(task, await task.train(random.split(index), 1, recipe.batchSize)) };
  await fit({ parameters: model.parameters, config: model.config, loss: (batch: TensorBatch) => taskLoss(task, model, batch) }, source, {
    epochs: 1, learningRate: 1e-5,
    onProgress: (event) => {
      if (event.type !== 'batch-end') return;
      times.push(performance.now() - last);
      last = performance.now();
    },
  });
  const started = performance.now();
  await accuracyOn(task, model, { ...task.validation, batches: 1 });
  const validating = (performance.now() - started) * task.validation.batches / 250;
  model.dispose();
  // The first updates also start what is started once.
  const step = Math.min(...times.slice(1));
  return Math.max(10, Math.min(recipe.steps, Math.floor((0.95 * minutes * 60_000) / (step + validating))));
}

