import { ConfigError } from '@mamba360/ssm/errors';

/**
 * Scores of held-out forecasts: |truth - forecast| / window scale, sorted, for each target column and step.
 * Held as a fixed number of order statistics, so that a saved model stays small.
 */
export interface Calibration {
  readonly horizon: number;
  readonly columns: number;
  /** Scores behind each entry (the smallest count over columns and steps). */
  readonly count: number;
  /** [columns, horizon, POINTS]: order statistics from the smallest to the largest. */
  readonly scores: Float32Array;
}

/** Order statistics kept: every half percent. */
export const CALIBRATION_POINTS = 201;

/** Scores that give a 95% interval with one to spare. */
const FEW = 20;

/** Gathers scores window by window. */
export class CalibrationBuilder {
  readonly #scores: number[][];
  readonly #horizon: number;
  readonly #columns: number;

  constructor(columns: number, horizon: number) {
    this.#columns = columns;
    this.#horizon = horizon;
    this.#scores = Array.from({ length: columns * horizon }, () => []);
  }

  add(column: number, step: number, score: number): void {
    if (Number.isFinite(score)) this.#scores[column * this.#horizon + step].push(score);
  }

  /** Undefined where some column and step has no score at all. */
  build(): Calibration | undefined {
    const lists = this.#enough();
    const count = lists.reduce((least, scores) => Math.min(least, scores.length), Number.POSITIVE_INFINITY);
    if (!(count > 0) || !Number.isFinite(count)) return undefined;
    const scores = new Float32Array(lists.length * CALIBRATION_POINTS);
    lists.forEach((list, index) => {
      const sorted = Float64Array.from(list).sort();
      for (let point = 0; point < CALIBRATION_POINTS; point++) {
        // Rounded up: between two kept points the larger score stands, so that coverage is not lost by keeping few.
        scores[index * CALIBRATION_POINTS + point] = sorted[Math.ceil((point / (CALIBRATION_POINTS - 1)) * (sorted.length - 1))];
      }
    });
    return { horizon: this.#horizon, columns: this.#columns, count, scores };
  }

  /** Where a step has few scores of its own, all steps of the column share theirs: one width for the whole horizon. */
  #enough(): readonly (readonly number[])[] {
    if (this.#scores.every(scores => scores.length >= FEW)) return this.#scores;
    return Array.from({ length: this.#columns }, (_, column) => this.#scores.slice(column * this.#horizon, (column + 1) * this.#horizon)).flatMap(steps => steps.map(() => steps.flat()));
  }
}

/** Whether there are enough scores for a level: 19 for 95%, 4 for 80%. */
export function canCalibrate({ count }: Calibration, level: number): boolean {
  return Math.ceil((count + 1) * level / 100) <= count;
}

/**
 * Half width of the interval of a level, in window scales: the ceil((n + 1) level)-th smallest of n scores (split conformal prediction).
 *
 * @param step - from 0; beyond the calibrated horizon the last width grows with the square root of the distance (a rule of thumb for rolled forecasts).
 * @throws ConfigError where n is too small for the level: 95% needs 19 scores.
 * @see Vovk, Gammerman, Shafer 2005; Lei et al. 2018, arXiv 1604.04173, section 2. Neighbouring windows overlap, so the guarantee is approximate.
 */
export function conformalWidth(calibration: Calibration, column: number, step: number, level: number): number {
  const { horizon, count, scores } = calibration;
  const rank = Math.ceil((count + 1) * level / 100);
  if (!canCalibrate(calibration, level)) {
    throw new ConfigError(`level: got ${level}, but only ${count} held-out forecasts calibrate it, expected at least ${Math.ceil(level / (100 - level))}. Ask for a lower level, or give a longer series.`);
  }
  const at = Math.min(step, horizon - 1);
  const share = count === 1 ? 0 : (rank - 1) / (count - 1);
  const point = Math.ceil(share * (CALIBRATION_POINTS - 1) - 1e-9);
  const width = scores[(column * horizon + at) * CALIBRATION_POINTS + point];
  return step < horizon ? width : width * Math.sqrt((step + 1) / horizon);
}
