import type { KernelCall, KernelTarget } from '@mamba360/ssm/kernels';
import { inputOf, outputOf } from '../kernels/operations/named-call.ts';
import { sigmoid } from '../kernels/operations/values.ts';

interface Shape { readonly B: number; readonly L: number; readonly E: number; readonly N: number }

/** The calls Mamba's training makes: variable B and C of one group, softplus, D, gate and bias, nothing masked, no state before. */
function shapeOf(call: KernelCall): Shape {
  const [B, L, E, N, groupsB, groupsC, softplus, stateEvery] = call.integers as [number, number, number, number, number, number, number, number];
  if (groupsB !== 1 || groupsC !== 1 || softplus !== 1 || stateEvery !== 0 || call.inputs[8] || call.inputs[9]) throw new Error(`The plain scan knows Mamba's training calls only, got integers ${call.integers.join(', ')}.`);
  return { B, L, E, N };
}

const softplus = (x: number): number => (x > 20 ? x : Math.log1p(Math.exp(x)));

/** One sequence's states after every step, [L, E, N]: what a plain backward pass keeps. */
function forwardSequence(call: KernelCall, { L, E, N }: Shape, b: number, y: Float32Array | null, states: Float32Array | null, final: Float32Array | null): void {
  const u = inputOf(call, 'u'), delta = inputOf(call, 'delta'), A = inputOf(call, 'A'), projectB = inputOf(call, 'B'), projectC = inputOf(call, 'C'), D = inputOf(call, 'D'), z = inputOf(call, 'z'), bias = inputOf(call, 'deltaBias');
  const state = new Float32Array(E * N);
  for (let t = 0; t < L; t++) {
    const row = b * L + t;
    for (let e = 0; e < E; e++) {
      const at = row * E + e, step = softplus(delta[at]! + bias[e]!), input = step * u[at]!;
      let sum = 0;
      for (let n = 0; n < N; n++) {
        const h = state[e * N + n]! * Math.exp(step * A[e * N + n]!) + input * projectB[row * N + n]!;
        state[e * N + n] = h;
        sum += h * projectC[row * N + n]!;
      }
      if (y) y[at] = (sum + D[e]! * u[at]!) * z[at]! * sigmoid(z[at]!);
    }
    states?.set(state, t * E * N);
  }
  final?.set(state, b * E * N);
}

function backwardSequence(call: KernelCall, shape: Shape, b: number): void {
  const { L, E, N } = shape, states = new Float32Array(L * E * N), slope = new Float32Array(E * N);
  forwardSequence(call, shape, b, null, states, null);
  const u = inputOf(call, 'u'), delta = inputOf(call, 'delta'), A = inputOf(call, 'A'), projectB = inputOf(call, 'B'), projectC = inputOf(call, 'C'), D = inputOf(call, 'D'), z = inputOf(call, 'z'), bias = inputOf(call, 'deltaBias'), dy = inputOf(call, 'dy');
  const du = outputOf(call, 'du'), dDelta = outputOf(call, 'dDelta'), dA = outputOf(call, 'dA'), dB = outputOf(call, 'dB'), dC = outputOf(call, 'dC'), dD = outputOf(call, 'dD'), dz = outputOf(call, 'dz'), dBias = outputOf(call, 'dDeltaBias');
  const final = call.inputs[11] as Float32Array | null;
  if (final) slope.set(final.subarray(b * E * N, (b + 1) * E * N));
  for (let t = L - 1; t >= 0; t--) {
    const row = b * L + t;
    for (let e = 0; e < E; e++) {
      const at = row * E + e, raw = delta[at]! + bias[e]!, step = softplus(raw), gate = sigmoid(z[at]!), upstream = dy[at]! * z[at]! * gate;
      let sum = D[e]! * u[at]!, dStep = 0, dInput = 0;
      for (let n = 0; n < N; n++) {
        const k = e * N + n, h = states[t * E * N + k]!, before = t > 0 ? states[(t - 1) * E * N + k]! : 0, decay = Math.exp(step * A[k]!);
        sum += h * projectC[row * N + n]!;
        dC[row * N + n]! += upstream * h;
        const dh = slope[k]! + upstream * projectC[row * N + n]!, dDecay = dh * before * decay;
        dA[k]! += dDecay * step;
        dStep += dDecay * A[k]!;
        dInput += dh * projectB[row * N + n]!;
        dB[row * N + n]! += dh * step * u[at]!;
        slope[k] = dh * decay;
      }
      dz[at] = dy[at]! * sum * gate * (1 + z[at]! * (1 - gate));
      dD[e]! += upstream * u[at]!;
      du[at] = upstream * D[e]! + dInput * step;
      const dRaw = (dStep + dInput * u[at]!) * sigmoid(raw);
      dDelta[at] = dRaw;
      dBias[e]! += dRaw;
    }
  }
  const initial = call.outputs[8] as Float32Array | null;
  initial?.set(slope, b * E * N);
}

/** A target whose selective scan is loops over typed arrays in plain JavaScript, float32, all states kept for the gradient; everything else goes to `target`. */
export function plainScanTarget(target: KernelTarget): KernelTarget {
  return {
    name: target.name, instructionSet: `${target.instructionSet}, its scan a plain loop`, threads: target.threads,
    run(call) {
      if (call.kernel === 'selectiveScanForward') {
        const shape = shapeOf(call);
        for (let b = 0; b < shape.B; b++) forwardSequence(call, shape, b, outputOf(call, 'y'), null, outputOf(call, 'finalState'));
      } else if (call.kernel === 'selectiveScanBackward') {
        const shape = shapeOf(call);
        for (const output of call.outputs) output?.fill(0);
        for (let b = 0; b < shape.B; b++) backwardSequence(call, shape, b);
      } else target.run(call);
    },
    memory: () => target.memory(),
    dispose: () => { target.dispose(); },
  };
}
