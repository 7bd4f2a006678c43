/** Linear attention with a gated matrix state, in float64: the truth for the kernels. Imports nothing. */
export type Values = ArrayLike<number> | null | undefined;

/** What `decay` is: nothing, one number a head, one a head and key, one a head and step, one a head, key and step. */
export type DecayKind = 'none' | 'head' | 'headKey' | 'step' | 'stepKey';
/** `sum`: divide by q . n; `maximum`: divide by max(|q . n|, exp(-m)), m the running log-maximum (0 without input gates). */
export type NormaliserKind = 'none' | 'sum' | 'maximum';

export interface GatedLinearAttentionInputs {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly keyWidth: number;
  readonly valueWidth: number;
  readonly decayKind: DecayKind;
  readonly normaliser: NormaliserKind;
  readonly scale: number;
  readonly epsilon: number;
  readonly q: ArrayLike<number>; // [B, L, H, K]
  readonly k: ArrayLike<number>; // [B, L, H, K]
  readonly v: ArrayLike<number>; // [B, L, H, V]
  readonly decay?: Values; // logarithm; [H], [H, K], [B, L, H] or [B, L, H, K]
  readonly bonus?: Values; // [H, K]: the output reads the state before the update plus bonus * k v
  readonly beta?: Values; // [B, L, H]: the delta rule
  readonly a?: Values; // [B, L, H, K]: the row a S of the state before the step ...
  readonly b?: Values; // [B, L, H, K]: ... is added along b
  readonly inputGate?: Values; // [B, L, H], logarithm: keeps the state scaled by exp(-m)
  readonly initialState?: Values; // [B, H, K, V]
  readonly initialNormaliser?: Values; // [B, H, K]
  readonly initialMaximum?: Values; // [B, H]
  /** [B, L]: bit 0 = masked, bit 1 = reset before this step. */
  readonly control?: Values;
}

export interface GatedLinearAttentionOutputs {
  readonly output: Float64Array; // [B, L, H, V], 0 at masked steps
  readonly finalState: Float64Array; // [B, H, K, V]
  readonly finalNormaliser: Float64Array; // [B, H, K]
  readonly finalMaximum: Float64Array; // [B, H]
}

export interface GatedLinearAttentionSlopes {
  readonly output: ArrayLike<number>;
  readonly finalState?: Values;
  readonly finalNormaliser?: Values;
  readonly finalMaximum?: Values;
}

/** Gradients under the names of the inputs; zeros of length 0 where an input was not given. */
export type GatedLinearAttentionGradients = Readonly<Record<
  'q' | 'k' | 'v' | 'decay' | 'bonus' | 'beta' | 'a' | 'b' | 'inputGate' | 'initialState' | 'initialNormaliser' | 'initialMaximum', Float64Array>>;

/** State of one head; the normaliser is one more column of the state, whose value is always 1. */
interface Head { state: Float64Array; maximum: number } // [K, V + 1]

/** What one counted step needs again on the way back. */
interface Trace {
  readonly before: Head;
  readonly after: Head;
  /** exp(decay), from the scaled state to the scaled state; and exp(inputGate - m). */
  readonly keep: Float64Array;
  readonly admit: number;
  /** Row that the key writes: v, or beta (v - k S) under the delta rule; and k S or a S. */
  readonly written: Float64Array;
  readonly read: Float64Array;
  /** Output before it is divided, with the divisor last. */
  readonly raw: Float64Array;
}

function decayIndex(s: GatedLinearAttentionInputs, row: number, head: number, key: number): number {
  switch (s.decayKind) {
    case 'head': return head;
    case 'headKey': return head * s.keyWidth + key;
    case 'step': return row * s.heads + head;
    case 'stepKey': return (row * s.heads + head) * s.keyWidth + key;
    default: return -1;
  }
}

const decayOf = (s: GatedLinearAttentionInputs, row: number, head: number, key: number): number =>
  (s.decayKind === 'none' ? 0 : s.decay![decayIndex(s, row, head, key)]!);

/** The divisor of the output and its slope with respect to q . n and to m. */
function divisor(s: GatedLinearAttentionInputs, sum: number, maximum: number): { value: number; slope: number; maximumSlope: number } {
  if (s.normaliser === 'sum') return { value: sum + s.epsilon, slope: 1, maximumSlope: 0 };
  const floor = Math.exp(-maximum);
  return Math.abs(sum) >= floor ? { value: Math.abs(sum) + s.epsilon, slope: Math.sign(sum), maximumSlope: 0 } : { value: floor + s.epsilon, slope: 0, maximumSlope: -floor };
}

function step(s: GatedLinearAttentionInputs, row: number, head: number, before: Head): { trace: Trace; output: Float64Array } {
  const { keyWidth: K, valueWidth: V } = s;
  const at = (row * s.heads + head) * K;
  const columns = V + 1;
  const value = (column: number): number => (column < V ? s.v[(row * s.heads + head) * V + column]! : s.normaliser === 'none' ? 0 : 1);
  const gate = s.inputGate?.[row * s.heads + head];
  const maximum = gate === undefined ? before.maximum : Math.max(decayOf(s, row, head, 0) + before.maximum, gate);
  const admit = gate === undefined ? 1 : Math.exp(gate - maximum);
  const keep = Float64Array.from({ length: K }, (_, key) => Math.exp(decayOf(s, row, head, key) + (gate === undefined ? 0 : before.maximum - maximum)));
  const after: Head = { state: new Float64Array(K * columns), maximum };
  const written = new Float64Array(columns), read = new Float64Array(columns), raw = new Float64Array(columns);
  for (let column = 0; column < columns; column++) {
    for (let key = 0; key < K; key++) {
      const stored = before.state[key * columns + column]!;
      if (s.beta) read[column]! += s.k[at + key]! * keep[key]! * stored;
      if (s.a) read[column]! += s.a[at + key]! * stored;
    }
    written[column] = s.beta ? s.beta[row * s.heads + head]! * (value(column) - read[column]!) : value(column);
    for (let key = 0; key < K; key++) {
      const stored = before.state[key * columns + column]!;
      const next = keep[key]! * stored + (s.b ? s.b[at + key]! * read[column]! : 0) + admit * s.k[at + key]! * written[column]!;
      after.state[key * columns + column] = next;
      raw[column]! += s.scale * s.q[at + key]! * (s.bonus ? stored + s.bonus[head * K + key]! * s.k[at + key]! * value(column) : next);
    }
  }
  const output = raw.slice(0, V);
  if (s.normaliser !== 'none') for (let column = 0; column < V; column++) output[column]! /= divisor(s, raw[V]!, maximum).value;
  return { trace: { before, after, keep, admit, written, read, raw }, output };
}

function initialHead(s: GatedLinearAttentionInputs, b: number, head: number): Head {
  const { keyWidth: K, valueWidth: V } = s;
  const place = b * s.heads + head;
  const state = new Float64Array(K * (V + 1));
  for (let key = 0; key < K; key++) {
    for (let column = 0; column < V; column++) state[key * (V + 1) + column] = s.initialState?.[(place * K + key) * V + column] ?? 0;
    state[key * (V + 1) + V] = s.initialNormaliser?.[place * K + key] ?? 0;
  }
  return { state, maximum: s.initialMaximum?.[place] ?? 0 };
}

function run(s: GatedLinearAttentionInputs): { outputs: GatedLinearAttentionOutputs; traces: (Trace | null)[] } {
  const { batch, length, heads, keyWidth: K, valueWidth: V } = s;
  const outputs: GatedLinearAttentionOutputs = {
    output: new Float64Array(batch * length * heads * V), finalState: new Float64Array(batch * heads * K * V),
    finalNormaliser: new Float64Array(batch * heads * K), finalMaximum: new Float64Array(batch * heads),
  };
  const traces = Array.from<Trace | null>({ length: batch * length * heads }).fill(null);
  for (let b = 0; b < batch; b++) {
    for (let head = 0; head < heads; head++) {
      let current = initialHead(s, b, head);
      for (let t = 0; t < length; t++) {
        const row = b * length + t;
        const control = s.control?.[row] ?? 0;
        if (control & 2) current = { state: new Float64Array(K * (V + 1)), maximum: 0 };
        if (control & 1) continue;
        const { trace, output } = step(s, row, head, current);
        traces[row * heads + head] = trace;
        outputs.output.set(output, (row * heads + head) * V);
        current = trace.after;
      }
      const place = b * heads + head;
      for (let key = 0; key < K; key++) {
        outputs.finalState.set(current.state.subarray(key * (V + 1), key * (V + 1) + V), (place * K + key) * V);
        outputs.finalNormaliser[place * K + key] = current.state[key * (V + 1) + V]!;
      }
      outputs.finalMaximum[place] = current.maximum;
    }
  }
  return { outputs, traces };
}

export function gatedLinearAttentionForwardReference(inputs: GatedLinearAttentionInputs): GatedLinearAttentionOutputs {
  return run(inputs).outputs;
}

export function gatedLinearAttentionBackwardReference(s: GatedLinearAttentionInputs, slopes: GatedLinearAttentionSlopes): GatedLinearAttentionGradients {
  const { batch, length, heads, keyWidth: K, valueWidth: V } = s;
  const { traces } = run(s);
  const zeros = (like: Values): Float64Array => new Float64Array(like?.length ?? 0);
  const g = {
    q: zeros(s.q), k: zeros(s.k), v: zeros(s.v), decay: zeros(s.decay), bonus: zeros(s.bonus), beta: zeros(s.beta), a: zeros(s.a), b: zeros(s.b),
    inputGate: zeros(s.inputGate), initialState: new Float64Array(batch * heads * K * V), initialNormaliser: new Float64Array(batch * heads * K),
    initialMaximum: new Float64Array(batch * heads),
  };
  for (let b = 0; b < batch; b++) {
    for (let head = 0; head < heads; head++) {
      const place = b * heads + head;
      const carry: Head = { state: new Float64Array(K * (V + 1)), maximum: slopes.finalMaximum?.[place] ?? 0 };
      for (let key = 0; key < K; key++) {
        for (let column = 0; column < V; column++) carry.state[key * (V + 1) + column] = slopes.finalState?.[(place * K + key) * V + column] ?? 0;
        carry.state[key * (V + 1) + V] = slopes.finalNormaliser?.[place * K + key] ?? 0;
      }
      for (let t = length - 1; t >= 0; t--) {
        const row = b * length + t;
        const trace = traces[row * heads + head];
        if (trace) backwardStep(s, row, head, trace, slopes.output, carry, g);
        if ((s.control?.[row] ?? 0) & 2) {
          carry.state.fill(0);
          carry.maximum = 0;
        }
      }
      for (let key = 0; key < K; key++) {
        g.initialState.set(carry.state.subarray(key * (V + 1), key * (V + 1) + V), (place * K + key) * V);
        g.initialNormaliser[place * K + key] = carry.state[key * (V + 1) + V]!;
      }
      g.initialMaximum[place] = carry.maximum;
    }
  }
  return g;
}

/** One step back: `carry` is the slope of the state after the step on entry, before it on return. */
function backwardStep(
  s: GatedLinearAttentionInputs, row: number, head: number, trace: Trace, dOutput: ArrayLike<number>, carry: Head, g: GatedLinearAttentionGradients,
): void {
  const { keyWidth: K, valueWidth: V } = s;
  const columns = V + 1, place = row * s.heads + head, at = place * K;
  const value = (column: number): number => (column < V ? s.v[place * V + column]! : s.normaliser === 'none' ? 0 : 1);
  const dRaw = new Float64Array(columns);
  for (let column = 0; column < V; column++) dRaw[column] = dOutput[place * V + column]!;
  if (s.normaliser !== 'none') {
    const by = divisor(s, trace.raw[V]!, trace.after.maximum);
    let dDivisor = 0;
    for (let column = 0; column < V; column++) {
      dDivisor -= dRaw[column]! * trace.raw[column]! / by.value ** 2;
      dRaw[column]! /= by.value;
    }
    dRaw[V] = dDivisor * by.slope;
    carry.maximum += dDivisor * by.maximumSlope;
  }
  const dKeep = new Float64Array(K);
  let dAdmit = 0;
  const dBefore = new Float64Array(K * columns);
  for (let column = 0; column < columns; column++) {
    const dNext = (key: number): number => carry.state[key * columns + column]! + (s.bonus ? 0 : s.scale * s.q[at + key]! * dRaw[column]!);
    let dWritten = 0, dRead = 0;
    for (let key = 0; key < K; key++) {
      const index = key * columns + column;
      const stored = trace.before.state[index]!;
      g.q[at + key]! += s.scale * dRaw[column]! * (s.bonus ? stored + s.bonus[head * K + key]! * s.k[at + key]! * value(column) : trace.after.state[index]!);
      if (s.bonus) {
        const bonus = s.bonus[head * K + key]!, slope = s.scale * s.q[at + key]! * dRaw[column]!;
        g.bonus[head * K + key]! += slope * s.k[at + key]! * value(column);
        g.k[at + key]! += slope * bonus * value(column);
        if (column < V) g.v[place * V + column]! += slope * bonus * s.k[at + key]!;
        dBefore[index]! += slope;
      }
      dBefore[index]! += trace.keep[key]! * dNext(key);
      dKeep[key]! += stored * dNext(key);
      dWritten += trace.admit * s.k[at + key]! * dNext(key);
      g.k[at + key]! += trace.admit * trace.written[column]! * dNext(key);
      dAdmit += s.k[at + key]! * trace.written[column]! * dNext(key);
      if (s.b) {
        g.b[at + key]! += trace.read[column]! * dNext(key);
        dRead += s.b[at + key]! * dNext(key);
      }
    }
    let dValue = dWritten;
    if (s.beta) {
      const beta = s.beta[place]!;
      g.beta[place]! += dWritten * (value(column) - trace.read[column]!);
      dValue = beta * dWritten;
      dRead = -beta * dWritten;
    }
    if (column < V) g.v[place * V + column]! += dValue;
    for (let key = 0; key < K; key++) {
      const index = key * columns + column;
      const stored = trace.before.state[index]!;
      if (s.beta) {
        g.k[at + key]! += trace.keep[key]! * stored * dRead;
        dKeep[key]! += s.k[at + key]! * stored * dRead;
        dBefore[index]! += s.k[at + key]! * trace.keep[key]! * dRead;
      }
      if (s.a) {
        g.a[at + key]! += stored * dRead;
        dBefore[index]! += s.a[at + key]! * dRead;
      }
    }
  }
  carry.state.set(dBefore);
  const dLogKeep = dKeep.map((slope, key) => slope * trace.keep[key]!);
  if (s.decayKind !== 'none') dLogKeep.forEach((slope, key) => { g.decay[decayIndex(s, row, head, key)]! += slope; });
  if (s.inputGate) backwardMaximum(s, row, head, trace, dLogKeep.reduce((sum, slope) => sum + slope, 0), dAdmit * trace.admit, carry, g);
}

/** m = max(decay + m, inputGate); the kept part is scaled by exp(decay + m_before - m), the new one by exp(inputGate - m). */
function backwardMaximum(
  s: GatedLinearAttentionInputs, row: number, head: number, trace: Trace, dLogKeep: number, dLogAdmit: number, carry: Head, g: GatedLinearAttentionGradients,
): void {
  const gate = row * s.heads + head;
  const dMaximum = carry.maximum - dLogKeep - dLogAdmit;
  g.inputGate[gate]! += dLogAdmit;
  carry.maximum = dLogKeep;
  if (decayOf(s, row, head, 0) + trace.before.maximum >= s.inputGate![gate]!) {
    if (s.decayKind !== 'none') g.decay[decayIndex(s, row, head, 0)]! += dMaximum;
    carry.maximum += dMaximum;
  } else g.inputGate[gate]! += dMaximum;
}
