/**
 * The scan of Mamba-3 in float64, written to be read. It imports nothing and is the truth the compiled kernels are tested against.
 *
 * Letters: B batch, L length, H heads, P head width, G groups, N state size, R rank, S rotated pairs. Arrays are row-major, last axis fastest.
 * Head h reads group floor(h / (H / G)) of B and C.
 */
export interface Mamba3ScanInputs {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly headWidth: number;
  readonly groups: number;
  readonly stateSize: number;
  readonly rank: number;
  /** Pairs (2i, 2i + 1) of B and C that turn, i < rotated. */
  readonly rotated: number;
  /** Angles are [B, L, 1, S], the same for all heads, else [B, L, H, S]. */
  readonly sharedAngles: boolean;
  /** The angle in the state is kept in [0, 2 pi). */
  readonly wrapAngles: boolean;
  readonly normEpsilon: number;
  readonly x: ArrayLike<number>; // [B, L, H, P]
  readonly dt: ArrayLike<number>; // [B, L, H]
  readonly logDecay: ArrayLike<number>; // [B, L, H]
  readonly trap: ArrayLike<number>; // [B, L, H], before the sigmoid
  readonly B: ArrayLike<number>; // [B, L, R, G, N]
  readonly C: ArrayLike<number>; // [B, L, R, G, N]
  readonly angles: ArrayLike<number>; // before tanh
  readonly bBias?: ArrayLike<number> | null | undefined; // [H, R, N]
  readonly cBias?: ArrayLike<number> | null | undefined; // [H, R, N]
  readonly D?: ArrayLike<number> | null | undefined; // [H]
  readonly z?: ArrayLike<number> | null | undefined; // [B, L, H, P]
  readonly xProjection?: ArrayLike<number> | null | undefined; // [H, R, P]
  readonly zProjection?: ArrayLike<number> | null | undefined; // [H, R, P]
  readonly outProjection?: ArrayLike<number> | null | undefined; // [H, R, P]
  readonly normWeight?: ArrayLike<number> | null | undefined; // [H, P]; given = the output of each rank is normalised over P before the gate
  readonly initialAngle?: ArrayLike<number> | null | undefined; // [B, H, S]
  readonly initialState?: ArrayLike<number> | null | undefined; // [B, H, P, N]
  readonly initialB?: ArrayLike<number> | null | undefined; // [B, H, R, N], turned
  readonly initialX?: ArrayLike<number> | null | undefined; // [B, H, R, P], projected
  /** [B, L]: bit 0 = masked, bit 1 = reset before this step. */
  readonly control?: ArrayLike<number> | null | undefined;
}

export interface Mamba3ScanOutputs {
  readonly y: Float64Array; // [B, L, H, P]
  readonly finalAngle: Float64Array;
  readonly finalState: Float64Array;
  readonly finalB: Float64Array;
  readonly finalX: Float64Array;
}

/** Slopes of a scalar at the outputs; the ones of the state may be missing. */
export interface Mamba3ScanSlopes {
  readonly dy: ArrayLike<number>;
  readonly dFinalAngle?: ArrayLike<number> | null | undefined;
  readonly dFinalState?: ArrayLike<number> | null | undefined;
  readonly dFinalB?: ArrayLike<number> | null | undefined;
  readonly dFinalX?: ArrayLike<number> | null | undefined;
}

export interface Mamba3ScanGradients {
  readonly dx: Float64Array;
  readonly dDt: Float64Array;
  readonly dLogDecay: Float64Array;
  readonly dTrap: Float64Array;
  readonly dB: Float64Array;
  readonly dC: Float64Array;
  readonly dAngles: Float64Array;
  readonly dBBias: Float64Array;
  readonly dCBias: Float64Array;
  readonly dD: Float64Array;
  readonly dz: Float64Array;
  readonly dXProjection: Float64Array;
  readonly dZProjection: Float64Array;
  readonly dOutProjection: Float64Array;
  readonly dNormWeight: Float64Array;
  readonly dInitialAngle: Float64Array;
  readonly dInitialState: Float64Array;
  readonly dInitialB: Float64Array;
  readonly dInitialX: Float64Array;
}

const TWO_PI = 2 * Math.PI;
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const silu = (x: number): number => x * sigmoid(x);
const siluSlope = (x: number): number => sigmoid(x) * (1 + x * (1 - sigmoid(x)));

/** What one head of one sequence remembers. */
interface Memory { readonly angle: Float64Array; readonly state: Float64Array; B: Float64Array; x: Float64Array }

/** Everything one step of one head computes; the backward pass needs it all. */
interface Step {
  readonly alpha: number; readonly beta: number; readonly gamma: number; readonly dt: number; readonly trap: number;
  readonly turn: Float64Array; readonly sine: Float64Array; readonly cosine: Float64Array; // [S]
  readonly b: Float64Array; readonly c: Float64Array; // [R, N], turned
  readonly v: Float64Array; // [R, P], projected input
  readonly before: Memory; readonly state: Float64Array; // the memory before the step, [P, N] after it
  readonly raw: Float64Array; readonly normed: Float64Array; readonly scale: Float64Array; // [R, P], [R, P], [R]
}

const slice = (source: ArrayLike<number> | null | undefined, size: number, index: number): Float64Array =>
  Float64Array.from({ length: size }, (_, i) => source?.[index * size + i] ?? 0);

function memoryOf(inputs: Mamba3ScanInputs, row: number): Memory {
  const { headWidth, stateSize, rank, rotated } = inputs;
  return {
    angle: slice(inputs.initialAngle, rotated, row), state: slice(inputs.initialState, headWidth * stateSize, row),
    B: slice(inputs.initialB, rank * stateSize, row), x: slice(inputs.initialX, rank * headWidth, row),
  };
}

const angleRow = (inputs: Mamba3ScanInputs, step: number, h: number): number => (inputs.sharedAngles ? step : step * inputs.heads + h) * inputs.rotated;
const coefficientRow = (inputs: Mamba3ScanInputs, step: number, r: number, h: number): number =>
  ((step * inputs.rank + r) * inputs.groups + Math.floor(h / (inputs.heads / inputs.groups))) * inputs.stateSize;

/** B or C of one step and head with its bias, [R, N], its pairs turned. */
function turned(inputs: Mamba3ScanInputs, source: ArrayLike<number>, bias: ArrayLike<number> | null | undefined, step: number, h: number, sine: Float64Array, cosine: Float64Array): Float64Array {
  const { rank, stateSize, rotated } = inputs;
  const result = new Float64Array(rank * stateSize);
  for (let r = 0; r < rank; r++) {
    const row = coefficientRow(inputs, step, r, h);
    for (let n = 0; n < stateSize; n++) result[r * stateSize + n] = source[row + n]! + (bias?.[(h * rank + r) * stateSize + n] ?? 0);
    for (let i = 0; i < rotated; i++) {
      const at = r * stateSize + 2 * i;
      const [first, second] = [result[at]!, result[at + 1]!];
      result[at] = first * cosine[i]! - second * sine[i]!;
      result[at + 1] = first * sine[i]! + second * cosine[i]!;
    }
  }
  return result;
}

/** Advances the memory of head h by one step (b L + t), and writes its output to y [P]. */
function advance(inputs: Mamba3ScanInputs, step: number, h: number, memory: Memory, y: Float64Array): Step {
  const { heads, headWidth, stateSize, rank, rotated } = inputs;
  const at = step * heads + h;
  const before: Memory = { angle: memory.angle.slice(), state: memory.state.slice(), B: memory.B, x: memory.x };
  const dt = inputs.dt[at]!, trap = sigmoid(inputs.trap[at]!), alpha = Math.exp(inputs.logDecay[at]!);
  const beta = (1 - trap) * dt * alpha, gamma = trap * dt;
  const turn = Float64Array.from({ length: rotated }, (_, i) => Math.tanh(inputs.angles[angleRow(inputs, step, h) + i]!));
  for (let i = 0; i < rotated; i++) {
    const angle = memory.angle[i]! + turn[i]! * Math.PI * dt;
    memory.angle[i] = inputs.wrapAngles ? angle - TWO_PI * Math.floor(angle / TWO_PI) : angle;
  }
  const sine = memory.angle.map(Math.sin), cosine = memory.angle.map(Math.cos);
  const b = turned(inputs, inputs.B, inputs.bBias, step, h, sine, cosine), c = turned(inputs, inputs.C, inputs.cBias, step, h, sine, cosine);
  const v = Float64Array.from({ length: rank * headWidth }, (_, i) =>
    inputs.x[at * headWidth + (i % headWidth)]! * (inputs.xProjection?.[h * rank * headWidth + i] ?? 1));
  for (let p = 0; p < headWidth; p++) {
    for (let n = 0; n < stateSize; n++) {
      let value = alpha * memory.state[p * stateSize + n]!;
      for (let r = 0; r < rank; r++) {
        value += beta * before.B[r * stateSize + n]! * before.x[r * headWidth + p]! + gamma * b[r * stateSize + n]! * v[r * headWidth + p]!;
      }
      memory.state[p * stateSize + n] = value;
    }
  }
  memory.B = b;
  memory.x = v;
  const raw = new Float64Array(rank * headWidth), scale = new Float64Array(rank);
  for (let r = 0; r < rank; r++) {
    let squares = 0;
    for (let p = 0; p < headWidth; p++) {
      let sum = (inputs.D?.[h] ?? 0) * v[r * headWidth + p]!;
      for (let n = 0; n < stateSize; n++) sum += c[r * stateSize + n]! * memory.state[p * stateSize + n]!;
      raw[r * headWidth + p] = sum;
      squares += sum * sum;
    }
    scale[r] = 1 / Math.sqrt(squares / headWidth + inputs.normEpsilon);
  }
  const normed = raw.map((value, i) => (inputs.normWeight ? value * scale[Math.floor(i / headWidth)]! * inputs.normWeight[h * headWidth + (i % headWidth)]! : value));
  for (let r = 0; r < rank; r++) {
    for (let p = 0; p < headWidth; p++) {
      const i = r * headWidth + p, parameter = h * rank * headWidth + i;
      const gate = inputs.z ? silu(inputs.z[at * headWidth + p]! * (inputs.zProjection?.[parameter] ?? 1)) : 1;
      y[p]! += normed[i]! * gate * (inputs.outProjection?.[parameter] ?? 1);
    }
  }
  return { alpha, beta, gamma, dt, trap, turn, sine, cosine, b, c, v, before, state: memory.state.slice(), raw, normed, scale };
}

function forget(memory: Memory): void {
  memory.angle.fill(0);
  memory.state.fill(0);
  memory.B = new Float64Array(memory.B.length);
  memory.x = new Float64Array(memory.x.length);
}

/** The whole sequence. A masked step leaves the memory alone and gives 0; a reset empties all of it before the step. */
export function mamba3ScanForwardReference(inputs: Mamba3ScanInputs): Mamba3ScanOutputs {
  const { batch, length, heads, headWidth, stateSize, rank, rotated } = inputs;
  const rows = batch * heads;
  const outputs = {
    y: new Float64Array(inputs.x.length), finalAngle: new Float64Array(rows * rotated), finalState: new Float64Array(rows * headWidth * stateSize),
    finalB: new Float64Array(rows * rank * stateSize), finalX: new Float64Array(rows * rank * headWidth),
  };
  for (let row = 0; row < rows; row++) {
    const b = Math.floor(row / heads), h = row % heads, memory = memoryOf(inputs, row);
    for (let t = 0; t < length; t++) {
      const step = b * length + t, control = inputs.control?.[step] ?? 0;
      if (control & 2) forget(memory);
      if (!(control & 1)) advance(inputs, step, h, memory, outputs.y.subarray((step * heads + h) * headWidth, (step * heads + h + 1) * headWidth));
    }
    outputs.finalAngle.set(memory.angle, row * rotated);
    outputs.finalState.set(memory.state, row * headWidth * stateSize);
    outputs.finalB.set(memory.B, row * rank * stateSize);
    outputs.finalX.set(memory.x, row * rank * headWidth);
  }
  return outputs;
}

/** Gradients of a scalar by walking each head of each sequence backwards with the slopes of its memory. */
export function mamba3ScanBackwardReference(inputs: Mamba3ScanInputs, slopes: Mamba3ScanSlopes): Mamba3ScanGradients {
  const { batch, length, heads, headWidth, stateSize, rank, rotated } = inputs;
  const rows = batch * heads, parameters = heads * rank * headWidth;
  const g: Mamba3ScanGradients = {
    dx: new Float64Array(inputs.x.length), dDt: new Float64Array(inputs.dt.length), dLogDecay: new Float64Array(inputs.dt.length), dTrap: new Float64Array(inputs.dt.length),
    dB: new Float64Array(inputs.B.length), dC: new Float64Array(inputs.C.length), dAngles: new Float64Array(inputs.angles.length),
    dBBias: new Float64Array(heads * rank * stateSize), dCBias: new Float64Array(heads * rank * stateSize), dD: new Float64Array(heads), dz: new Float64Array(inputs.x.length),
    dXProjection: new Float64Array(parameters), dZProjection: new Float64Array(parameters), dOutProjection: new Float64Array(parameters), dNormWeight: new Float64Array(heads * headWidth),
    dInitialAngle: new Float64Array(rows * rotated), dInitialState: new Float64Array(rows * headWidth * stateSize),
    dInitialB: new Float64Array(rows * rank * stateSize), dInitialX: new Float64Array(rows * rank * headWidth),
  };
  for (let row = 0; row < rows; row++) {
    const b = Math.floor(row / heads), h = row % heads, memory = memoryOf(inputs, row), ignored = new Float64Array(headWidth);
    const steps: (Step | null)[] = [];
    for (let t = 0; t < length; t++) {
      const control = inputs.control?.[b * length + t] ?? 0;
      if (control & 2) forget(memory);
      steps.push(control & 1 ? null : advance(inputs, b * length + t, h, memory, ignored));
    }
    const slope: Memory = {
      angle: slice(slopes.dFinalAngle, rotated, row), state: slice(slopes.dFinalState, headWidth * stateSize, row),
      B: slice(slopes.dFinalB, rank * stateSize, row), x: slice(slopes.dFinalX, rank * headWidth, row),
    };
    for (let t = length - 1; t >= 0; t--) {
      const step = steps[t];
      if (step) backwardStep(inputs, b * length + t, h, step, slopes.dy, slope, g);
      if ((inputs.control?.[b * length + t] ?? 0) & 2) forget(slope);
    }
    g.dInitialAngle.set(slope.angle, row * rotated);
    g.dInitialState.set(slope.state, row * headWidth * stateSize);
    g.dInitialB.set(slope.B, row * rank * stateSize);
    g.dInitialX.set(slope.x, row * rank * headWidth);
  }
  return g;
}

/** Slope of each rank's output before norm and gate, [R, P]; adds the gradients of all that lies behind it. */
function outputSlopes(inputs: Mamba3ScanInputs, at: number, h: number, step: Step, dy: ArrayLike<number>, g: Mamba3ScanGradients): Float64Array {
  const { headWidth, rank } = inputs;
  const slopes = new Float64Array(rank * headWidth);
  for (let r = 0; r < rank; r++) {
    let along = 0;
    for (let p = 0; p < headWidth; p++) {
      const i = r * headWidth + p, parameter = h * rank * headWidth + i;
      const z = inputs.z?.[at * headWidth + p] ?? 0, zWeight = inputs.zProjection?.[parameter] ?? 1;
      const gate = inputs.z ? silu(z * zWeight) : 1;
      g.dOutProjection[parameter]! += dy[at * headWidth + p]! * step.normed[i]! * gate;
      const dGated = dy[at * headWidth + p]! * (inputs.outProjection?.[parameter] ?? 1);
      if (inputs.z) {
        const dGate = dGated * step.normed[i]! * siluSlope(z * zWeight);
        g.dz[at * headWidth + p]! += dGate * zWeight;
        g.dZProjection[parameter]! += dGate * z;
      }
      slopes[i] = dGated * gate;
      if (inputs.normWeight) {
        g.dNormWeight[h * headWidth + p]! += slopes[i]! * step.raw[i]! * step.scale[r]!;
        slopes[i]! *= inputs.normWeight[h * headWidth + p]!;
        along += slopes[i]! * step.raw[i]!;
      }
    }
    if (inputs.normWeight) {
      const scale = step.scale[r]!;
      for (let p = 0; p < headWidth; p++) slopes[r * headWidth + p] = scale * (slopes[r * headWidth + p]! - (step.raw[r * headWidth + p]! * scale * scale * along) / headWidth);
    }
  }
  return slopes;
}

/** `slope` goes from the memory after the step to the one before it. */
function backwardStep(inputs: Mamba3ScanInputs, index: number, h: number, step: Step, dy: ArrayLike<number>, slope: Memory, g: Mamba3ScanGradients): void {
  const { heads, headWidth, stateSize, rank, rotated } = inputs;
  const at = index * heads + h, { alpha, beta, gamma, dt, trap, before } = step;
  const dOut = outputSlopes(inputs, at, h, step, dy, g);
  const db = slope.B.slice(), dv = slope.x.slice(), dc = new Float64Array(rank * stateSize);
  const dBeforeB = new Float64Array(rank * stateSize), dBeforeX = new Float64Array(rank * headWidth);
  let dAlpha = 0, dBeta = 0, dGamma = 0;
  for (let i = 0; i < rank * headWidth; i++) {
    dv[i]! += (inputs.D?.[h] ?? 0) * dOut[i]!;
    g.dD[h]! += dOut[i]! * step.v[i]!;
  }
  for (let p = 0; p < headWidth; p++) {
    for (let n = 0; n < stateSize; n++) {
      const s = p * stateSize + n;
      for (let r = 0; r < rank; r++) {
        slope.state[s]! += dOut[r * headWidth + p]! * step.c[r * stateSize + n]!;
        dc[r * stateSize + n]! += dOut[r * headWidth + p]! * step.state[s]!;
      }
      const d = slope.state[s]!;
      dAlpha += d * before.state[s]!;
      for (let r = 0; r < rank; r++) {
        const [rn, rp] = [r * stateSize + n, r * headWidth + p];
        dGamma += d * step.b[rn]! * step.v[rp]!;
        dBeta += d * before.B[rn]! * before.x[rp]!;
        db[rn]! += gamma * d * step.v[rp]!;
        dv[rp]! += gamma * d * step.b[rn]!;
        dBeforeB[rn]! += beta * d * before.x[rp]!;
        dBeforeX[rp]! += beta * d * before.B[rn]!;
      }
      slope.state[s] = alpha * d;
    }
  }
  for (let r = 0; r < rank; r++) {
    const row = coefficientRow(inputs, index, r, h);
    for (const [source, slopes, gradient, bias] of [[step.b, db, g.dB, g.dBBias], [step.c, dc, g.dC, g.dCBias]] as const) {
      for (let i = 0; i < rotated; i++) {
        const pair = r * stateSize + 2 * i;
        const [first, second] = [slopes[pair]!, slopes[pair + 1]!];
        slope.angle[i]! += second * source[pair]! - first * source[pair + 1]!;
        slopes[pair] = first * step.cosine[i]! + second * step.sine[i]!;
        slopes[pair + 1] = second * step.cosine[i]! - first * step.sine[i]!;
      }
      for (let n = 0; n < stateSize; n++) {
        gradient[row + n]! += slopes[r * stateSize + n]!;
        bias[(h * rank + r) * stateSize + n]! += slopes[r * stateSize + n]!;
      }
    }
    for (let p = 0; p < headWidth; p++) {
      const i = r * headWidth + p, parameter = h * rank * headWidth + i;
      g.dx[at * headWidth + p]! += dv[i]! * (inputs.xProjection?.[parameter] ?? 1);
      g.dXProjection[parameter]! += dv[i]! * inputs.x[at * headWidth + p]!;
    }
  }
  let dDt = dBeta * (1 - trap) * alpha + dGamma * trap;
  for (let i = 0; i < rotated; i++) {
    dDt += slope.angle[i]! * step.turn[i]! * Math.PI;
    g.dAngles[angleRow(inputs, index, h) + i]! += slope.angle[i]! * Math.PI * dt * (1 - step.turn[i]! ** 2);
  }
  g.dDt[at] = dDt;
  g.dLogDecay[at] = (dAlpha + dBeta * (1 - trap) * dt) * alpha;
  g.dTrap[at] = (dGamma * dt - dBeta * dt * alpha) * trap * (1 - trap);
  slope.B.set(dBeforeB);
  slope.x.set(dBeforeX);
}
