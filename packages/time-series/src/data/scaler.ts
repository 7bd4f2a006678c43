import { ConfigError, DataError } from '@mamba360/ssm/errors';
import type { Series } from './table.ts';

/** `standard`: mean 0, deviation 1; `robust`: median 0, quartile distance 1; `minmax`: 0 to 1; `none`: as it is. */
export type ScalerKind = 'standard' | 'robust' | 'minmax' | 'none';

interface Affine { readonly shift: number; readonly scale: number }

/** What is saved of a scaler. */
export interface ScalerState {
  readonly kind: ScalerKind;
  readonly columns: readonly string[];
  /** Per series id, per column. */
  readonly series: Readonly<Record<string, readonly Affine[]>>;
  /** For ids never seen: over all training rows. */
  readonly common: readonly Affine[];
}

/** Shift and scale of each column of each series, fitted on the rows it is given and on no other. */
export class Scaler {
  readonly state: ScalerState;

  constructor(state: ScalerState) {
    this.state = state;
  }

  /**
   * Fit on rows.
   *
   * @param series - training rows only; missing values are passed over.
   * @remarks A constant column gets scale 1, so that it becomes 0 and not NaN.
   */
  static fit(series: readonly Series[], columns: readonly string[], kind: ScalerKind = 'standard'): Scaler {
    const measure = MEASURES[kind];
    if (!measure) throw new ConfigError(`scaler: got "${String(kind)}", expected ${Object.keys(MEASURES).join(', ')}.`);
    const each = Object.fromEntries(series.map(one => [one.id, columns.map(column => measure(known(one, column)))]));
    const common = columns.map(column => measure(concatenate(series.map(one => known(one, column)))));
    return new Scaler({ kind, columns, series: each, common });
  }

  /** Shift and scale of a column, the common ones for an unknown id. */
  of(id: string, column: string): Affine {
    const index = this.state.columns.indexOf(column);
    if (index < 0) throw new DataError(`scaler: got the column "${column}", expected one of ${this.state.columns.join(', ')}.`);
    return (Object.hasOwn(this.state.series, id) ? this.state.series[id] : this.state.common)[index];
  }

  /** Values to scaled values, NaN stays NaN. */
  apply(id: string, column: string, values: Float64Array): Float64Array {
    const { shift, scale } = this.of(id, column);
    return values.map(value => (value - shift) / scale);
  }

  invert(id: string, column: string, values: Float64Array): Float64Array {
    const { shift, scale } = this.of(id, column);
    return values.map(value => value * scale + shift);
  }
}

const MEASURES: Record<ScalerKind, (values: Float64Array) => Affine> = {
  none: () => ({ shift: 0, scale: 1 }),
  standard: values => {
    if (values.length === 0) return { shift: 0, scale: 1 };
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    return { shift: mean, scale: positive(Math.sqrt(variance), mean) };
  },
  minmax: values => {
    if (values.length === 0) return { shift: 0, scale: 1 };
    const low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
    return { shift: low, scale: positive(high - low, low) };
  },
  robust: values => {
    if (values.length === 0) return { shift: 0, scale: 1 };
    const sorted = values.slice().sort();
    const at = (share: number): number => {
      const place = share * (sorted.length - 1), floor = Math.floor(place);
      return sorted[floor] + (place - floor) * ((sorted[floor + 1] ?? sorted[floor]) - sorted[floor]);
    };
    return { shift: at(0.5), scale: positive(at(0.75) - at(0.25), at(0.5)) };
  },
};

/** Rounding leaves a tiny deviation in a constant column; treat it as constant. */
function positive(scale: number, level: number): number {
  return scale > 1e-12 * Math.max(1, Math.abs(level)) ? scale : 1;
}

function known(series: Series, column: string): Float64Array {
  return series.values[column].filter(Number.isFinite);
}

function concatenate(arrays: readonly Float64Array[]): Float64Array {
  const out = new Float64Array(arrays.reduce((sum, array) => sum + array.length, 0));
  let offset = 0;
  for (const array of arrays) {
    out.set(array, offset);
    offset += array.length;
  }
  return out;
}
