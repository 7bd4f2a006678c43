import type { Variable } from '@tensorflow/tfjs';
import { ConfigError } from '../errors/index.ts';
import { setValues } from '../layers/index.ts';

export interface EarlyStoppingOptions {
  /** Epochs without improvement before the run ends. */
  readonly patience: number;
  /** Name of the validation value. Default loss. */
  readonly monitor?: string;
  /** Whether a smaller or a larger value is better. Default min. */
  readonly mode?: 'min' | 'max';
  /** Smallest change that counts. Default 0. */
  readonly minimumDelta?: number;
  /** Put the weights of the best epoch back at the end. Default true. */
  readonly restoreBest?: boolean;
}

/** What a checkpoint keeps of it. */
export interface EarlyStoppingState { readonly best: number | null; readonly bestEpoch: number; readonly waited: number }

/** Watches one value, keeps the best weights, says when to stop. */
export class EarlyStopping {
  best: number | null = null;
  bestEpoch = 0;
  waited = 0;
  bestWeights: Map<string, Float32Array> | undefined;
  readonly #options: EarlyStoppingOptions;
  readonly #parameters: readonly (readonly [string, Variable])[];

  constructor(options: EarlyStoppingOptions, parameters: readonly (readonly [string, Variable])[]) {
    if (!(options.patience >= 0)) throw new ConfigError(`fit: earlyStopping.patience is ${options.patience}, expected a number of epochs of at least 0.`);
    this.#options = options;
    this.#parameters = parameters;
  }

  /**
   * Takes note of an epoch.
   *
   * @returns Whether to stop now.
   * @throws ConfigError if the monitored value is not among `values`.
   */
  async observe(epoch: number, values: Record<string, number>): Promise<boolean> {
    const { monitor = 'loss', mode = 'min', minimumDelta = 0, restoreBest = true, patience } = this.#options;
    const value = values[monitor];
    if (value === undefined) throw new ConfigError(`fit: earlyStopping.monitor is "${monitor}", but validation gave ${Object.keys(values).join(', ') || 'nothing'}. Name one of these, or add a validation source.`);
    const better = this.best === null || (mode === 'min' ? value < this.best - minimumDelta : value > this.best + minimumDelta);
    if (!better) return ++this.waited > patience;
    this.best = value;
    this.bestEpoch = epoch;
    this.waited = 0;
    if (restoreBest) this.bestWeights = new Map(await Promise.all(this.#parameters.map(async ([name, variable]) => [name, Float32Array.from(await variable.data())] as const)));
    return false;
  }

  restoreBest(): void {
    if (!this.bestWeights) return;
    for (const [name, variable] of this.#parameters) setValues(variable, this.bestWeights.get(name)!);
  }

  state(): EarlyStoppingState {
    return { best: this.best, bestEpoch: this.bestEpoch, waited: this.waited };
  }

  resume(state: EarlyStoppingState, bestWeights: Map<string, Float32Array> | undefined): void {
    Object.assign(this, state);
    this.bestWeights = bestWeights;
  }
}
