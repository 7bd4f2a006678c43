/** Root-mean-square normalisation, gated and grouped, in float64: the truth for the kernels. Imports nothing. */
export interface RmsNormInputs {
  readonly rows: number;
  readonly width: number;
  /** The last axis is cut into this many equal parts, each normalised by itself. */
  readonly groups: number;
  readonly epsilon: number;
  /** true: x * silu(z) is normalised; false: the normalised value is multiplied by silu(z). */
  readonly gateBeforeNorm: boolean;
  readonly x: ArrayLike<number>; // [R, D]
  readonly weight?: ArrayLike<number> | null | undefined; // [D]
  readonly z?: ArrayLike<number> | null | undefined; // [R, D]
  readonly bias?: ArrayLike<number> | null | undefined; // [D]
}

export interface RmsNormGradients {
  readonly dx: Float64Array;
  readonly dWeight: Float64Array;
  readonly dz: Float64Array;
  readonly dBias: Float64Array;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const silu = (x: number): number => x * sigmoid(x);
const siluSlope = (x: number): number => sigmoid(x) * (1 + x * (1 - sigmoid(x)));

/** What is normalised: x, or x * silu(z) where the gate comes first. */
function normalised(inputs: RmsNormInputs, i: number): number {
  return inputs.z && inputs.gateBeforeNorm ? inputs.x[i]! * silu(inputs.z[i]!) : inputs.x[i]!;
}

/** 1 / sqrt(mean(v^2) + epsilon) of one group of one row. */
function inverseScale(inputs: RmsNormInputs, start: number, size: number): number {
  let sum = 0;
  for (let k = 0; k < size; k++) sum += normalised(inputs, start + k) ** 2;
  return 1 / Math.sqrt(sum / size + inputs.epsilon);
}

/** y = v / sqrt(mean(v^2) + epsilon) * weight + bias, v = x or x * silu(z); then * silu(z) where the gate comes after. */
export function rmsNormForwardReference(inputs: RmsNormInputs): Float64Array {
  const { rows, width, groups } = inputs;
  const size = width / groups;
  const y = new Float64Array(rows * width);
  for (let start = 0; start < rows * width; start += size) {
    const scale = inverseScale(inputs, start, size);
    for (let i = start; i < start + size; i++) {
      const d = i % width;
      const value = normalised(inputs, i) * scale * (inputs.weight?.[d] ?? 1) + (inputs.bias?.[d] ?? 0);
      y[i] = inputs.z && !inputs.gateBeforeNorm ? value * silu(inputs.z[i]!) : value;
    }
  }
  return y;
}

/** dv = scale * (w dy - vhat * mean(w dy * vhat)), vhat = v * scale; the gate's slope by the product rule. */
export function rmsNormBackwardReference(inputs: RmsNormInputs, dy: ArrayLike<number>): RmsNormGradients {
  const { rows, width, groups } = inputs;
  const size = width / groups;
  const dx = new Float64Array(rows * width);
  const dz = new Float64Array(rows * width);
  const dWeight = new Float64Array(width);
  const dBias = new Float64Array(width);
  for (let start = 0; start < rows * width; start += size) {
    const scale = inverseScale(inputs, start, size);
    const weighted = new Float64Array(size);
    let projection = 0;
    for (let k = 0; k < size; k++) {
      const i = start + k;
      const d = i % width;
      const unit = normalised(inputs, i) * scale;
      let slope = dy[i]!;
      if (inputs.z && !inputs.gateBeforeNorm) {
        const z = inputs.z[i]!;
        dz[i] = slope * (unit * (inputs.weight?.[d] ?? 1) + (inputs.bias?.[d] ?? 0)) * siluSlope(z);
        slope *= silu(z);
      }
      dWeight[d]! += slope * unit;
      dBias[d]! += slope;
      weighted[k] = slope * (inputs.weight?.[d] ?? 1);
      projection += weighted[k]! * unit;
    }
    for (let k = 0; k < size; k++) {
      const i = start + k;
      const dv = scale * (weighted[k]! - normalised(inputs, i) * scale * (projection / size));
      if (inputs.z && inputs.gateBeforeNorm) {
        const z = inputs.z[i]!;
        dz[i] = dv * inputs.x[i]! * siluSlope(z);
        dx[i] = dv * silu(z);
      } else {
        dx[i] = dv;
      }
    }
  }
  return { dx, dWeight, dz, dBias };
}
