import type { Tensor, Variable } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { float32Values, storeTensor, tensorValues } from '../checkpoints/index.ts';
import type { StoredTensor } from '../checkpoints/index.ts';
import { disposeState, namedParameters, setValues, stateLeaves } from '../layers/index.ts';
import type { State } from '../layers/index.ts';
import { Random } from '../random/index.ts';
import { disposeBatch } from './batch-source.ts';
import type { BatchSource } from './batch-source.ts';
import type { TrainingCheckpoint } from './checkpoint-store.ts';
import { EarlyStopping } from './early-stopping.ts';
import type { EarlyStoppingState } from './early-stopping.ts';
import type { FitOptions, FitResult, HistoryRow } from './fit-options.ts';
import { lossAndGradients } from './gradients.ts';
import { notFiniteReport } from './not-finite.ts';
import { AdamW } from './optimizer.ts';
import { matches } from './parameter-groups.ts';
import { scheduleFactor } from './schedules.ts';
import { validate } from './validate.ts';
import { WeightAverage } from './weight-average.ts';
import type { LossOptions, Trainable } from './trainable.ts';

/** Position and sums of a run; with the tensors, all that a resumed run needs. */
export interface RunCounters {
  readonly step: number;
  readonly epoch: number;
  readonly batch: number;
  readonly lossSum: number;
  readonly weightSum: number;
  readonly secondsBefore: number;
  readonly history: readonly HistoryRow[];
  readonly stopping: EarlyStoppingState | null;
  readonly stopped: boolean;
}

/** One training run in progress: what changes from batch to batch, and how it is written down. */
export class Run<Batch> {
  readonly options: FitOptions<Batch>;
  readonly trainable: readonly (readonly [string, Variable])[];
  readonly #model: Trainable<Batch>;
  readonly #source: BatchSource<Batch>;
  readonly #random: Random;
  readonly #optimizer: AdamW;
  readonly #average: WeightAverage | undefined;
  readonly #stopping: EarlyStopping | undefined;
  readonly #stepsInEpoch: number;
  #epoch = 0;
  #batch = 0;
  #lossSum = 0;
  #weightSum = 0;
  #history: HistoryRow[] = [];
  #stopped = false;
  #learningRate = 0;
  #carried: State | undefined;
  #summed: Tensor[] = [];
  #summedCount = 0;
  #secondsBefore = 0;
  #epochStart = performance.now();
  #batchesSinceStart = 0;

  constructor(model: Trainable<Batch>, source: BatchSource<Batch>, options: FitOptions<Batch>) {
    this.options = options;
    this.#model = model;
    this.#source = source;
    this.#random = Random.fromSeed(options.seed ?? 0).split('fit');
    this.trainable = namedParameters(model.parameters).filter(([name]) => !matches(name, options.freeze ?? []));
    this.#optimizer = new AdamW(this.trainable, { ...options.optimizer, weightDecay: options.weightDecay ?? 0.01, groups: options.groups ?? [] });
    if (options.averageDecay !== undefined) this.#average = new WeightAverage(this.trainable, options.averageDecay);
    if (options.earlyStopping) this.#stopping = new EarlyStopping(options.earlyStopping, this.trainable);
    this.#stepsInEpoch = Math.ceil(source.batchCount(0) / (options.accumulate ?? 1));
  }

  get finished(): boolean { return this.#stopped || this.#epoch >= this.options.epochs; }
  get epochFinished(): boolean { return this.#batch >= this.#source.batchCount(this.#epoch); }

  get counters(): RunCounters {
    return {
      step: this.#optimizer.step, epoch: this.#epoch, batch: this.#batch, lossSum: this.#lossSum, weightSum: this.#weightSum, secondsBefore: this.#seconds(),
      history: this.#history, stopping: this.#stopping?.state() ?? null, stopped: this.#stopped,
    };
  }

  startEpoch(): void {
    this.#epochStart = performance.now();
    this.#batchesSinceStart = 0;
    if (this.#batch === 0) this.options.onProgress?.({ type: 'epoch-start', epoch: this.#epoch, epochs: this.options.epochs });
  }

  /** One batch. @returns whether it ended in an update of the parameters. */
  async trainBatch(): Promise<boolean> {
    const { accumulate = 1, carryState = false } = this.options;
    const epoch = this.#epoch;
    const index = this.#batch;
    if (index === 0 || this.#source.startsFresh?.(epoch, index)) this.#dropCarried();
    const batch = await this.#source.batch({ epoch, index, random: this.#random.split('data').split(epoch) });
    try {
      const lossOptions: LossOptions = { training: true, random: this.#random.split('batch').split(epoch).split(index), ...(carryState && this.#carried && { state: this.#carried }) };
      const result = await lossAndGradients(this.#model, [batch], this.trainable.map(([, variable]) => variable), lossOptions);
      this.#add(result.gradients);
      const last = this.#summedCount === accumulate || index === this.#source.batchCount(epoch) - 1;
      const norm = last && Number.isFinite(result.loss) ? this.#update() : 0;
      if (!Number.isFinite(result.loss) || !Number.isFinite(norm)) {
        if (result.state) disposeState(result.state);
        const where = `step ${this.#optimizer.step + 1} (epoch ${epoch}, batch ${index})`;
        throw notFiniteReport(where, this.#model, batch, lossOptions, result.loss, this.trainable.map(([name], position) => [name, this.#summed[position]] as const));
      }
      if (last) this.#clearSum();
      this.#dropCarried();
      if (result.state && !carryState) disposeState(result.state);
      else this.#carried = result.state;
      this.#lossSum += result.loss * result.weight;
      this.#weightSum += result.weight;
      this.#batch += 1;
      this.#batchesSinceStart += 1;
      this.options.onProgress?.({
        type: 'batch-end', epoch, batch: index, batches: this.#source.batchCount(epoch), loss: result.loss, learningRate: this.#learningRate,
        stepsPerSecond: this.#batchesSinceStart / Math.max(1e-9, (performance.now() - this.#epochStart) / 1000),
      });
      return last;
    } finally {
      disposeBatch(batch);
    }
  }

  /** Validation, history, early stopping; then the next epoch's counters. */
  async endEpoch(): Promise<void> {
    const { validation, epochs, onProgress } = this.options;
    let values: Record<string, number> | undefined;
    if (validation) {
      this.#average?.swap();
      try {
        values = await validate(this.#model, validation, this.#random.split('validation'), this.options.signal);
        if (this.#stopping) this.#stopped = await this.#stopping.observe(this.#epoch, values);
      } finally {
        this.#average?.swap();
      }
    }
    const seconds = this.#seconds();
    const row: HistoryRow = { epoch: this.#epoch, loss: this.#lossSum / this.#weightSum, learningRate: this.#learningRate, seconds, ...(values && { validation: values }) };
    this.#history = [...this.#history, row];
    this.#epoch += 1;
    this.#batch = 0;
    this.#lossSum = 0;
    this.#weightSum = 0;
    this.#secondsBefore = 0;
    this.#epochStart = performance.now();
    const done = this.#history.reduce((sum, one) => sum + one.seconds, 0);
    const secondsLeft = this.#stopped ? 0 : (done / this.#history.length) * (epochs - this.#epoch);
    onProgress?.({ type: 'epoch-end', epoch: row.epoch, loss: row.loss, ...(values && { validation: values }), secondsLeft });
  }

  /** Puts the final weights into the model: the averaged ones, the best ones, or those of the last step. */
  finish(): Omit<FitResult, 'resumedFrom'> {
    this.#average?.swap();
    this.#stopping?.restoreBest();
    const bestEpoch = this.#stopping?.bestWeights ? this.#stopping.bestEpoch : this.#history.length - 1;
    return { history: this.#history, steps: this.#optimizer.step, stoppedEarly: this.#stopped, bestEpoch };
  }

  async checkpoint(): Promise<TrainingCheckpoint<RunCounters>> {
    const tensors = new Map<string, StoredTensor>();
    const add = async (name: string, tensor: Tensor): Promise<void> => {
      tensors.set(name, storeTensor((await tensor.data()) as Float32Array | Int32Array, tensor.shape));
    };
    const { counters } = this;
    for (const [name, variable] of this.trainable) await add(`parameter/${name}`, variable);
    for (const [name, { first, second }] of this.#optimizer.moments()) {
      await add(`first/${name}`, first);
      await add(`second/${name}`, second);
    }
    for (const [name, average] of this.#average?.averages ?? []) await add(`average/${name}`, average);
    for (const [name, leaf] of this.#carried ? stateLeaves(this.#carried) : []) await add(`carried/${name}`, leaf);
    for (const [name, values] of this.#stopping?.bestWeights ?? []) {
      tensors.set(`best/${name}`, storeTensor(values, this.trainable.find(([other]) => other === name)![1].shape));
    }
    return { counters, tensors };
  }

  restore({ counters, tensors }: TrainingCheckpoint<RunCounters>): void {
    const assign = (name: string, variable: Variable): void => setValues(variable, float32Values(tensors.get(name)!));
    for (const [name, variable] of this.trainable) assign(`parameter/${name}`, variable);
    for (const [name, { first, second }] of this.#optimizer.moments()) {
      assign(`first/${name}`, first);
      assign(`second/${name}`, second);
    }
    for (const [name, average] of this.#average?.averages ?? []) assign(`average/${name}`, average);
    const best = [...tensors].filter(([name]) => name.startsWith('best/')).map(([name, stored]) => [name.slice(5), float32Values(stored)] as const);
    if (counters.stopping) this.#stopping?.resume(counters.stopping, best.length > 0 ? new Map(best) : undefined);
    this.#carried = restoreState(tensors);
    this.#optimizer.step = counters.step;
    this.#epoch = counters.epoch;
    this.#batch = counters.batch;
    this.#lossSum = counters.lossSum;
    this.#weightSum = counters.weightSum;
    this.#history = [...counters.history];
    this.#stopped = counters.stopped;
    this.#secondsBefore = counters.secondsBefore;
    this.#learningRate = this.#scheduledRate(Math.max(1, counters.step));
  }

  dispose(): void {
    this.#dropCarried();
    this.#clearSum();
    this.#optimizer.dispose();
    this.#average?.dispose();
  }

  #scheduledRate(step: number): number {
    const { learningRate = 1e-3, schedule = 'constant', epochs } = this.options;
    return learningRate * scheduleFactor(schedule, step, epochs * this.#stepsInEpoch);
  }

  #add(gradients: Tensor[]): void {
    if (this.#summedCount === 0) this.#summed = gradients;
    else {
      const before = this.#summed;
      this.#summed = tf.tidy(() => before.map((sum, index) => tf.add(sum, gradients[index])));
      tf.dispose([before, gradients]);
    }
    this.#summedCount += 1;
  }

  #update(): number {
    this.#learningRate = this.#scheduledRate(this.#optimizer.step + 1);
    const { clipNorm = 1 } = this.options;
    if (this.#summedCount > 1) {
      const before = this.#summed;
      this.#summed = tf.tidy(() => before.map((sum) => tf.div(sum, this.#summedCount)));
      tf.dispose(before);
    }
    const norm = this.#optimizer.update(this.#summed, { learningRate: this.#learningRate, clipNorm: clipNorm === Infinity ? undefined : clipNorm });
    if (Number.isFinite(norm)) this.#average?.update();
    return norm;
  }

  #clearSum(): void {
    tf.dispose(this.#summed);
    this.#summed = [];
    this.#summedCount = 0;
  }

  #dropCarried(): void {
    if (this.#carried) disposeState(this.#carried);
    this.#carried = undefined;
  }

  #seconds(): number {
    return this.#secondsBefore + (performance.now() - this.#epochStart) / 1000;
  }
}

function restoreState(tensors: ReadonlyMap<string, StoredTensor>): State | undefined {
  const state: { [name: string]: Tensor | State } = {};
  let found = false;
  for (const [name, stored] of tensors) {
    if (!name.startsWith('carried/')) continue;
    found = true;
    const path = name.slice('carried/'.length).split('.');
    let node = state;
    for (const part of path.slice(0, -1)) node = (node[part] ??= {}) as { [name: string]: Tensor | State };
    node[path[path.length - 1]] = tf.tensor(tensorValues(stored) as Float32Array, [...stored.shape], stored.dtype === 'I32' ? 'int32' : 'float32');
  }
  return found ? state : undefined;
}
