/**
 * The linear scan in float64: x[t] = a[t] x[t-1] + b[t], real or complex. Imports nothing; the truth the kernels are compared with.
 * Gradients of a complex tensor are the two real ones, dL/dRe and dL/dIm.
 */
type Values = ArrayLike<number>;
type Optional = ArrayLike<number> | null | undefined;

export interface LinearScanInputs {
  readonly batch: number;
  readonly length: number;
  readonly channels: number;
  /** Whether a is [B, L, E]; else it is [E]. */
  readonly varying: boolean;
  /** Runs from the last step to the first. */
  readonly reverse: boolean;
  readonly b: Values;
  readonly a: Values;
  readonly initial?: Optional;
  /** Imaginary parts; all absent in the real scan. */
  readonly bIm?: Optional;
  readonly aIm?: Optional;
  readonly initialIm?: Optional;
  /** Per step, [B, L]: bit 1 masked, bit 2 reset before the step. */
  readonly control?: Optional;
}

export interface LinearScanOutputs {
  readonly x: Float64Array;
  readonly final: Float64Array;
  readonly xIm: Float64Array;
  readonly finalIm: Float64Array;
}

export interface LinearScanSlopes {
  readonly dx: Values;
  readonly dxIm?: Optional;
  readonly dFinal?: Optional;
  readonly dFinalIm?: Optional;
}

export interface LinearScanGradients {
  readonly db: Float64Array;
  readonly dbIm: Float64Array;
  readonly da: Float64Array;
  readonly daIm: Float64Array;
  readonly dInitial: Float64Array;
  readonly dInitialIm: Float64Array;
}

interface Complex { readonly re: number; readonly im: number }
const ZERO: Complex = { re: 0, im: 0 };
const add = (p: Complex, q: Complex): Complex => ({ re: p.re + q.re, im: p.im + q.im });
const multiply = (p: Complex, q: Complex): Complex => ({ re: p.re * q.re - p.im * q.im, im: p.re * q.im + p.im * q.re });
const conjugate = (p: Complex): Complex => ({ re: p.re, im: -p.im });
const at = (re: Optional, im: Optional, i: number): Complex => ({ re: re?.[i] ?? 0, im: im?.[i] ?? 0 });

/** Positions of the steps in the order of the recurrence. */
function stepsOf({ length, reverse }: LinearScanInputs): number[] {
  return Array.from({ length }, (_, i) => (reverse ? length - 1 - i : i));
}

/** One channel of one sequence: for each counted step, in order, its place in [B, L, E] and the states before and after it. */
function walk(inputs: LinearScanInputs, b: number, e: number): { states: { t: number; place: number; before: Complex; after: Complex; reset: boolean }[]; last: Complex } {
  const { length, channels, varying } = inputs;
  const states = [];
  let state = at(inputs.initial, inputs.initialIm, b * channels + e);
  let reset = false;
  for (const t of stepsOf(inputs)) {
    const control = inputs.control?.[b * length + t] ?? 0;
    if (control & 2) {
      state = ZERO;
      reset = true;
    }
    if (control & 1) continue;
    const place = (b * length + t) * channels + e;
    const before = state;
    state = add(multiply(at(inputs.a, inputs.aIm, varying ? place : e), before), at(inputs.b, inputs.bIm, place));
    states.push({ t, place, before, after: state, reset });
    reset = false;
  }
  return { states, last: state };
}

export function linearScanForwardReference(inputs: LinearScanInputs): LinearScanOutputs {
  const { batch, length, channels } = inputs;
  const outputs = {
    x: new Float64Array(batch * length * channels), xIm: new Float64Array(batch * length * channels),
    final: new Float64Array(batch * channels), finalIm: new Float64Array(batch * channels),
  };
  for (let b = 0; b < batch; b++) {
    for (let e = 0; e < channels; e++) {
      const { states, last } = walk(inputs, b, e);
      for (const { place, after } of states) {
        outputs.x[place] = after.re;
        outputs.xIm[place] = after.im;
      }
      outputs.final[b * channels + e] = last.re;
      outputs.finalIm[b * channels + e] = last.im;
    }
  }
  return outputs;
}

/** With g = dL/dRe(x) + i dL/dIm(x): db = g, da = g conj(x[t-1]), and conj(a) g goes on to the step before. */
export function linearScanBackwardReference(inputs: LinearScanInputs, slopes: LinearScanSlopes): LinearScanGradients {
  const { batch, length, channels, varying } = inputs;
  const size = batch * length * channels;
  const gradients: LinearScanGradients = {
    db: new Float64Array(size), dbIm: new Float64Array(size), da: new Float64Array(varying ? size : channels), daIm: new Float64Array(varying ? size : channels),
    dInitial: new Float64Array(batch * channels), dInitialIm: new Float64Array(batch * channels),
  };
  for (let b = 0; b < batch; b++) {
    for (let e = 0; e < channels; e++) {
      const { states } = walk(inputs, b, e);
      let g = at(slopes.dFinal, slopes.dFinalIm, b * channels + e);
      // A reset at a masked step cuts the path too: it is noted at the next counted step, or stands after the last one.
      if (resetAfterLast(inputs, b, states.at(-1)?.t)) g = ZERO;
      for (const { place, before, reset } of states.reverse()) {
        const decay = varying ? place : e;
        g = add(g, at(slopes.dx, slopes.dxIm, place));
        const slope = multiply(g, conjugate(before));
        gradients.db[place] = g.re;
        gradients.dbIm[place] = g.im;
        gradients.da[decay]! += slope.re;
        gradients.daIm[decay]! += slope.im;
        g = reset ? ZERO : multiply(conjugate(at(inputs.a, inputs.aIm, decay)), g);
      }
      gradients.dInitial[b * channels + e] = g.re;
      gradients.dInitialIm[b * channels + e] = g.im;
    }
  }
  return gradients;
}

function resetAfterLast(inputs: LinearScanInputs, b: number, last: number | undefined): boolean {
  const steps = stepsOf(inputs);
  return steps.slice(last === undefined ? 0 : steps.indexOf(last) + 1).some((t) => (inputs.control?.[b * inputs.length + t] ?? 0) & 2);
}
