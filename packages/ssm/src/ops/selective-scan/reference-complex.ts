/**
 * The selective scan with complex A (and so complex states) in float64: y = 2 Re(C . h) + D u, as the official operator has it.
 * Imports nothing. Gradients of a complex tensor are the two real ones, dL/dRe and dL/dIm.
 */
type Values = ArrayLike<number>;
type Optional = ArrayLike<number> | null | undefined;

export interface ComplexScanInputs {
  readonly batch: number;
  readonly length: number;
  readonly channels: number;
  readonly stateSize: number;
  readonly groupsB: number;
  readonly groupsC: number;
  readonly softplus: boolean;
  readonly stateEvery: number;
  readonly u: Values;
  readonly delta: Values;
  readonly ARe: Values;
  readonly AIm: Values;
  readonly BRe: Values;
  /** Absent where B is real. */
  readonly BIm?: Optional;
  readonly CRe: Values;
  readonly CIm?: Optional;
  readonly D?: Optional;
  readonly z?: Optional;
  readonly deltaBias?: Optional;
  readonly initialRe?: Optional;
  readonly initialIm?: Optional;
  readonly control?: Optional;
}

export interface ComplexScanOutputs {
  readonly y: Float64Array;
  readonly finalRe: Float64Array;
  readonly finalIm: Float64Array;
  readonly statesRe: Float64Array | null;
  readonly statesIm: Float64Array | null;
}

export interface ComplexScanGradients {
  readonly du: Float64Array;
  readonly dDelta: Float64Array;
  readonly dARe: Float64Array;
  readonly dAIm: Float64Array;
  readonly dBRe: Float64Array;
  readonly dBIm: Float64Array;
  readonly dCRe: Float64Array;
  readonly dCIm: Float64Array;
  readonly dD: Float64Array;
  readonly dz: Float64Array;
  readonly dDeltaBias: Float64Array;
  readonly dInitialRe: Float64Array;
  readonly dInitialIm: Float64Array;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const silu = (x: number): number => x * sigmoid(x);
const siluSlope = (x: number): number => sigmoid(x) * (1 + x * (1 - sigmoid(x)));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

function coefficientIndex(groups: number, inputs: ComplexScanInputs, b: number, t: number, e: number, n: number): number {
  if (groups === 0) return e * inputs.stateSize + n;
  const group = Math.floor(e / (inputs.channels / groups));
  return ((b * inputs.length + t) * groups + group) * inputs.stateSize + n;
}

function stepSize(inputs: ComplexScanInputs, row: number, e: number): { dt: number; slope: number } {
  const raw = inputs.delta[row + e]! + (inputs.deltaBias?.[e] ?? 0);
  return inputs.softplus ? { dt: softplus(raw), slope: sigmoid(raw) } : { dt: raw, slope: 1 };
}

function stateSlot(inputs: ComplexScanInputs, t: number): number {
  const every = inputs.stateEvery;
  if (every === 0) return -1;
  return (t + 1) % every === 0 || t === inputs.length - 1 ? Math.ceil((t + 1) / every) - 1 : -1;
}

/** exp(dt A) for element i of A. */
function decayOf(inputs: ComplexScanInputs, dt: number, i: number): { re: number; im: number } {
  const magnitude = Math.exp(dt * inputs.ARe[i]!);
  return { re: magnitude * Math.cos(dt * inputs.AIm[i]!), im: magnitude * Math.sin(dt * inputs.AIm[i]!) };
}

/** One step for one sequence: the state [E, N] is advanced in place, the result is y [E]. */
export function complexScanStepReference(inputs: ComplexScanInputs, b: number, t: number, re: Float64Array, im: Float64Array): Float64Array {
  const { channels, stateSize } = inputs;
  const row = (b * inputs.length + t) * channels;
  const y = new Float64Array(channels);
  for (let e = 0; e < channels; e++) {
    const { dt } = stepSize(inputs, row, e);
    const u = inputs.u[row + e]!;
    let sum = 0;
    for (let n = 0; n < stateSize; n++) {
      const i = e * stateSize + n;
      const indexB = coefficientIndex(inputs.groupsB, inputs, b, t, e, n);
      const indexC = coefficientIndex(inputs.groupsC, inputs, b, t, e, n);
      const decay = decayOf(inputs, dt, i);
      const nextRe = decay.re * re[i]! - decay.im * im[i]! + dt * u * inputs.BRe[indexB]!;
      const nextIm = decay.re * im[i]! + decay.im * re[i]! + dt * u * (inputs.BIm?.[indexB] ?? 0);
      re[i] = nextRe;
      im[i] = nextIm;
      sum += 2 * (inputs.CRe[indexC]! * nextRe - (inputs.CIm?.[indexC] ?? 0) * nextIm);
    }
    if (inputs.D) sum += inputs.D[e]! * u;
    y[e] = inputs.z ? sum * silu(inputs.z[row + e]!) : sum;
  }
  return y;
}

/** The whole sequence, with masked steps and resets as in the real scan. */
export function complexScanForwardReference(inputs: ComplexScanInputs): ComplexScanOutputs {
  const { batch, length, channels, stateSize, stateEvery } = inputs;
  const size = channels * stateSize;
  const slots = stateEvery === 0 ? 0 : Math.ceil(length / stateEvery);
  const y = new Float64Array(batch * length * channels);
  const finalRe = new Float64Array(batch * size);
  const finalIm = new Float64Array(batch * size);
  const statesRe = stateEvery === 0 ? null : new Float64Array(batch * slots * size);
  const statesIm = stateEvery === 0 ? null : new Float64Array(batch * slots * size);
  for (let b = 0; b < batch; b++) {
    const re = finalRe.subarray(b * size, (b + 1) * size);
    const im = finalIm.subarray(b * size, (b + 1) * size);
    for (let i = 0; i < size; i++) {
      re[i] = inputs.initialRe?.[b * size + i] ?? 0;
      im[i] = inputs.initialIm?.[b * size + i] ?? 0;
    }
    for (let t = 0; t < length; t++) {
      const control = inputs.control?.[b * length + t] ?? 0;
      if (control & 2) {
        re.fill(0);
        im.fill(0);
      }
      if (!(control & 1)) y.set(complexScanStepReference(inputs, b, t, re, im), (b * length + t) * channels);
      const slot = stateSlot(inputs, t);
      if (statesRe && statesIm && slot >= 0) {
        statesRe.set(re, (b * slots + slot) * size);
        statesIm.set(im, (b * slots + slot) * size);
      }
    }
  }
  return { y, finalRe, finalIm, statesRe, statesIm };
}

export interface ComplexScanSlopes {
  readonly dy: Values;
  readonly dFinalRe?: Optional;
  readonly dFinalIm?: Optional;
  readonly dStatesRe?: Optional;
  readonly dStatesIm?: Optional;
}

/** With g = dL/dRe(h) + i dL/dIm(h): a product h = a x sends conj(a) g back to x, so g[t-1] = conj(exp(dt A)) g[t]. */
export function complexScanBackwardReference(inputs: ComplexScanInputs, slopes: ComplexScanSlopes): ComplexScanGradients {
  const { batch, length, channels, stateSize, stateEvery } = inputs;
  const size = channels * stateSize;
  const slots = stateEvery === 0 ? 0 : Math.ceil(length / stateEvery);
  const sequence = batch * length * channels;
  const gradients: ComplexScanGradients = {
    du: new Float64Array(sequence), dDelta: new Float64Array(sequence), dARe: new Float64Array(size), dAIm: new Float64Array(size),
    dBRe: new Float64Array(inputs.BRe.length), dBIm: new Float64Array(inputs.BRe.length),
    dCRe: new Float64Array(inputs.CRe.length), dCIm: new Float64Array(inputs.CRe.length),
    dD: new Float64Array(channels), dz: new Float64Array(sequence), dDeltaBias: new Float64Array(channels),
    dInitialRe: new Float64Array(batch * size), dInitialIm: new Float64Array(batch * size),
  };
  const { statesRe, statesIm } = complexScanForwardReference({ ...inputs, stateEvery: 1 });
  const history = { re: statesRe!, im: statesIm! };
  for (let b = 0; b < batch; b++) {
    const g = { re: gradients.dInitialRe.subarray(b * size, (b + 1) * size), im: gradients.dInitialIm.subarray(b * size, (b + 1) * size) };
    for (let i = 0; i < size; i++) {
      g.re[i] = slopes.dFinalRe?.[b * size + i] ?? 0;
      g.im[i] = slopes.dFinalIm?.[b * size + i] ?? 0;
    }
    for (let t = length - 1; t >= 0; t--) {
      const slot = stateSlot(inputs, t);
      if (slot >= 0) {
        for (let i = 0; i < size; i++) {
          g.re[i]! += slopes.dStatesRe?.[(b * slots + slot) * size + i] ?? 0;
          g.im[i]! += slopes.dStatesIm?.[(b * slots + slot) * size + i] ?? 0;
        }
      }
      const control = inputs.control?.[b * length + t] ?? 0;
      if (!(control & 1)) backwardStep(inputs, b, t, control, history, slopes.dy, g, gradients);
      if (control & 2) {
        g.re.fill(0);
        g.im.fill(0);
      }
    }
  }
  return gradients;
}

interface Pair { readonly re: Float64Array; readonly im: Float64Array }

function backwardStep(
  inputs: ComplexScanInputs, b: number, t: number, control: number, history: Pair, dy: Values, g: Pair, gradients: ComplexScanGradients,
): void {
  const { length, channels, stateSize } = inputs;
  const size = channels * stateSize;
  const row = (b * length + t) * channels;
  for (let e = 0; e < channels; e++) {
    const { dt, slope } = stepSize(inputs, row, e);
    const u = inputs.u[row + e]!;
    let dOut = dy[row + e]!;
    if (inputs.z) {
      const z = inputs.z[row + e]!;
      let ungated = (inputs.D?.[e] ?? 0) * u;
      for (let n = 0; n < stateSize; n++) {
        const indexC = coefficientIndex(inputs.groupsC, inputs, b, t, e, n);
        const h = (row + e) * stateSize + n;
        ungated += 2 * (inputs.CRe[indexC]! * history.re[h]! - (inputs.CIm?.[indexC] ?? 0) * history.im[h]!);
      }
      gradients.dz[row + e] = dOut * ungated * siluSlope(z);
      dOut *= silu(z);
    }
    let du = (inputs.D?.[e] ?? 0) * dOut;
    let dDt = 0;
    gradients.dD[e]! += dOut * u;
    for (let n = 0; n < stateSize; n++) {
      const i = e * stateSize + n;
      const h = (row + e) * stateSize + n;
      const indexB = coefficientIndex(inputs.groupsB, inputs, b, t, e, n);
      const indexC = coefficientIndex(inputs.groupsC, inputs, b, t, e, n);
      const bRe = inputs.BRe[indexB]!;
      const bIm = inputs.BIm?.[indexB] ?? 0;
      gradients.dCRe[indexC]! += 2 * dOut * history.re[h]!;
      gradients.dCIm[indexC]! -= 2 * dOut * history.im[h]!;
      g.re[i]! += 2 * dOut * inputs.CRe[indexC]!;
      g.im[i]! -= 2 * dOut * (inputs.CIm?.[indexC] ?? 0);
      du += dt * (g.re[i]! * bRe + g.im[i]! * bIm);
      dDt += u * (g.re[i]! * bRe + g.im[i]! * bIm);
      gradients.dBRe[indexB]! += g.re[i]! * dt * u;
      gradients.dBIm[indexB]! += g.im[i]! * dt * u;

      // w = exp(dt A) h[t-1]; conj(w) g is the gradient of the exponent dt A.
      const first = t === 0;
      const beforeRe = control & 2 ? 0 : first ? (inputs.initialRe?.[b * size + i] ?? 0) : history.re[(b * length + t - 1) * size + i]!;
      const beforeIm = control & 2 ? 0 : first ? (inputs.initialIm?.[b * size + i] ?? 0) : history.im[(b * length + t - 1) * size + i]!;
      const decay = decayOf(inputs, dt, i);
      const wRe = decay.re * beforeRe - decay.im * beforeIm;
      const wIm = decay.re * beforeIm + decay.im * beforeRe;
      const exponentRe = wRe * g.re[i]! + wIm * g.im[i]!;
      const exponentIm = wRe * g.im[i]! - wIm * g.re[i]!;
      dDt += inputs.ARe[i]! * exponentRe + inputs.AIm[i]! * exponentIm;
      gradients.dARe[i]! += dt * exponentRe;
      gradients.dAIm[i]! += dt * exponentIm;
      const nextRe = decay.re * g.re[i]! + decay.im * g.im[i]!;
      g.im[i] = decay.re * g.im[i]! - decay.im * g.re[i]!;
      g.re[i] = nextRe;
    }
    gradients.du[row + e] = du;
    gradients.dDelta[row + e] = dDt * slope;
    gradients.dDeltaBias[e]! += dDt * slope;
  }
}
