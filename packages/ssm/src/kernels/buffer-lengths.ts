import { KernelError } from '../errors/index.ts';
import { SIGNATURES } from './signatures.ts';
import type { KernelName } from './signatures.ts';
import type { KernelCall } from './target.ts';

type Lengths = { readonly inputs: readonly number[]; readonly outputs: readonly number[] };

function scanLengths([B, L, E, N, groupsB, groupsC, , stateEvery]: readonly number[]) {
  const matrix = E! * N!, sequence = B! * L! * E!;
  return {
    sequence, matrix, channels: E!, state: B! * matrix, control: B! * L!,
    b: groupsB === 0 ? matrix : B! * L! * groupsB! * N!,
    c: groupsC === 0 ? matrix : B! * L! * groupsC! * N!,
    states: stateEvery === 0 ? 0 : B! * Math.ceil(L! / stateEvery!) * matrix,
  };
}

function ssdLengths([B, L, H, P, G, N, , stateEvery, varyingDecay, wideSkip]: readonly number[]) {
  const steps = B! * L!, sequence = steps * H! * P!, dt = steps * H!, coefficients = steps * G! * N!, state = B! * H! * P! * N!;
  const own = [sequence, dt, varyingDecay === 1 ? dt : H!, coefficients, coefficients, wideSkip === 1 ? H! * P! : H!, sequence, H!, state];
  return { own, steps, sequence, state, states: stateEvery === 0 ? 0 : Math.ceil(L! / stateEvery!) * state };
}

function linearLengths([B, L, E, varying]: readonly number[]) {
  const sequence = B! * L! * E!;
  return { sequence, a: varying === 1 ? sequence : E!, state: B! * E!, control: B! * L! };
}

const dplrLengths = (H: number, N: number, C: number, R: number): number[] => [H * N, H * N, (1 + R) * H * N, (1 + R) * H * N, (C + R) * H * N, (C + R) * H * N];

function spaceLengths([B, L, H, N, C, R]: readonly number[]) {
  const a = H! * N!, c = C! * a, f = R! * a;
  return { u: B! * L! * H!, y: B! * L! * C! * H!, state: B! * a, control: B! * L!, system: [a, a, a, a, c, c, f, f, f, f] };
}

function attentionLengths([B, L, H, K, V, decayKind]: readonly number[]) {
  const steps = B! * L! * H!, keys = steps * K!, values = steps * V!, normaliser = B! * H! * K!, state = normaliser * V!, maximum = B! * H!;
  const decay = [0, H!, H! * K!, steps, keys][decayKind!]!;
  return { values, given: [keys, keys, values, decay, H! * K!, steps, keys, keys, steps, state, normaliser, maximum], control: B! * L!, final: [state, normaliser, maximum] };
}
function softmaxLengths([B, L, M, H, G, K, V, R, , T]: readonly number[]) {
  const steps = B! * L!, slots = B! * M! * G!;
  return { q: steps * H! * K!, k: steps * G! * K!, v: steps * G! * V!, y: steps * H! * V!, keys: slots * K!, values: slots * V!, rows: steps * 4, counts: B! * 4, table: T! * R! / 2 };
}

/** Gates of nonlinearScan by kind: LSTM, GRU, RNN, sLSTM, LTC. */
const RECURRENT_GATES = [4, 3, 1, 4, 1] as const;

function mamba3Lengths([B, L, H, P, G, N, R, S, sharedAngles]: readonly number[]) {
  const steps = B! * L!, sequence = steps * H! * P!, dt = steps * H!, coefficients = steps * R! * G! * N!, bias = H! * R! * N!, projection = H! * R! * P!, rows = B! * H!;
  const memory = [rows * S!, rows * P! * N!, rows * R! * N!, rows * R! * P!];
  const angles = steps * (sharedAngles === 1 ? 1 : H!) * S!;
  const own = [sequence, dt, dt, dt, coefficients, coefficients, angles, bias, bias, H!, sequence, projection, projection, projection, H! * P!, ...memory];
  return { own, steps, sequence, memory };
}

/** Elements of every buffer of a call, from its integers, in the order of SIGNATURES. */
const LENGTHS: Readonly<Record<KernelName, (integers: readonly number[]) => Lengths>> = {
  selectiveScanForward: (v) => {
    const s = scanLengths(v);
    return { inputs: [s.sequence, s.sequence, s.matrix, s.b, s.c, s.channels, s.sequence, s.channels, s.state, s.control], outputs: [s.sequence, s.state, s.states] };
  },
  selectiveScanBackward: (v) => {
    const s = scanLengths(v);
    return {
      inputs: [s.sequence, s.sequence, s.matrix, s.b, s.c, s.channels, s.sequence, s.channels, s.state, s.control, s.sequence, s.state, s.states],
      outputs: [s.sequence, s.sequence, s.matrix, s.b, s.c, s.channels, s.sequence, s.channels, s.state],
    };
  },
  selectiveScanComplexForward: (v) => {
    const s = scanLengths(v);
    return {
      inputs: [s.sequence, s.sequence, s.matrix, s.matrix, s.b, s.b, s.c, s.c, s.channels, s.sequence, s.channels, s.state, s.state, s.control],
      outputs: [s.sequence, s.state, s.state, s.states, s.states],
    };
  },
  selectiveScanComplexBackward: (v) => {
    const s = scanLengths(v);
    return {
      inputs: [s.sequence, s.sequence, s.matrix, s.matrix, s.b, s.b, s.c, s.c, s.channels, s.sequence, s.channels, s.state, s.state, s.control, s.sequence, s.state, s.state, s.states, s.states],
      outputs: [s.sequence, s.sequence, s.matrix, s.matrix, s.b, s.b, s.c, s.c, s.channels, s.sequence, s.channels, s.state, s.state],
    };
  },
  ssdScanForward: (v) => {
    const s = ssdLengths(v);
    return { inputs: [...s.own, s.steps], outputs: [s.sequence, s.state, s.states] };
  },
  ssdScanBackward: (v) => {
    const s = ssdLengths(v);
    return { inputs: [...s.own, s.steps, s.sequence, s.state, s.states], outputs: s.own };
  },
  mamba3ScanForward: (v) => {
    const s = mamba3Lengths(v);
    return { inputs: [...s.own, s.steps], outputs: [s.sequence, ...s.memory] };
  },
  mamba3ScanBackward: (v) => {
    const s = mamba3Lengths(v);
    return { inputs: [...s.own, s.steps, s.sequence, ...s.memory], outputs: s.own };
  },
  causalConv1dForward: ([B, L, E, W]) => ({ inputs: [B! * L! * E!, E! * W!, E!, B! * (W! - 1) * E!, B! * L!], outputs: [B! * L! * E!, B! * (W! - 1) * E!] }),
  causalConv1dBackward: ([B, L, E, W]) => {
    const sequence = B! * L! * E!, tail = B! * (W! - 1) * E!;
    return { inputs: [sequence, E! * W!, E!, tail, B! * L!, sequence, tail], outputs: [sequence, E! * W!, E!, tail] };
  },
  linearForward: ([R, D, M]) => ({ inputs: [R! * D!, M! * D!, M!], outputs: [R! * M!] }),
  linearBackward: ([R, D, M]) => ({ inputs: [R! * D!, M! * D!, R! * M!], outputs: [R! * D!, M! * D!, M!] }),
  fftConvolutionForward: ([B, L, E, K, M]) => {
    const sequence = B! * L! * E!, history = B! * (K! - 1) * E!;
    return { inputs: [sequence, M! * E! * K!, M! * E!, sequence, sequence * M!, history, B! * L!], outputs: [sequence * M!, history] };
  },
  fftConvolutionBackward: ([B, L, E, K, M]) => {
    const sequence = B! * L! * E!, history = B! * (K! - 1) * E!, kernel = M! * E! * K!;
    return {
      inputs: [sequence, kernel, M! * E!, sequence, sequence * M!, history, B! * L!, sequence * M!, history],
      outputs: [sequence, kernel, M! * E!, sequence, sequence * M!, history],
    };
  },
  rmsNormForward: ([R, D]) => ({ inputs: [R! * D!, D!, R! * D!, D!], outputs: [R! * D!] }),
  rmsNormBackward: ([R, D]) => ({ inputs: [R! * D!, D!, R! * D!, D!, R! * D!], outputs: [R! * D!, D!, R! * D!, D!] }),
  nonlinearScanForward: ([B, L, H, P, kind]) => {
    const E = H! * P!, K = RECURRENT_GATES[kind!] ?? 1, state = B! * E;
    return { inputs: [B! * L! * K * E, H! * P! * K * P!, K * E, state, state, B! * L!, state, state, 2 * E], outputs: [B! * L! * E, state, state, state, state] };
  },
  nonlinearScanBackward: ([B, L, H, P, kind]) => {
    const E = H! * P!, K = RECURRENT_GATES[kind!] ?? 1, matrix = H! * P! * K * P!, state = B! * E;
    return {
      inputs: [B! * L! * K * E, matrix, K * E, state, state, B! * L!, state, state, 2 * E, B! * L! * E, state, state, state, state],
      outputs: [B! * L! * K * E, matrix, K * E, state, state, state, state, 2 * E],
    };
  },
  linearCrossEntropyForward: ([R, D, V]) => ({ inputs: [R! * D!, V! * D!, V!, R!], outputs: [R!] }),
  linearCrossEntropyBackward: ([R, D, V]) => ({ inputs: [R! * D!, V! * D!, V!, R!, R!], outputs: [R! * D!, V! * D!, V!] }),
  vandermondeForward: ([C, H, N, L]) => ({ inputs: [C! * H! * N!, C! * H! * N!, H! * N!, H! * N!], outputs: [C! * H! * L!, C! * H! * L!] }),
  vandermondeBackward: ([C, H, N, L]) => {
    const v = C! * H! * N!, x = H! * N!, kernel = C! * H! * L!;
    return { inputs: [v, v, x, x, kernel, kernel], outputs: [v, v, x, x] };
  },
  cauchyForward: ([B, N, M]) => ({ inputs: [B! * N!, B! * N!, M!, M!, B! * N!, B! * N!], outputs: [B! * M!, B! * M!] }),
  cauchyBackward: ([B, N, M]) => {
    const v = B! * N!, out = B! * M!;
    return { inputs: [v, v, M!, M!, v, v, out, out], outputs: [v, v, out, out, v, v] };
  },
  dplrKernelForward: ([H, N, C, R, , L]) => ({ inputs: dplrLengths(H!, N!, C!, R!), outputs: [C! * H! * L!] }),
  dplrKernelBackward: ([H, N, C, R, , L]) => ({ inputs: [...dplrLengths(H!, N!, C!, R!), C! * H! * L!], outputs: dplrLengths(H!, N!, C!, R!) }),
  stateSpaceScanForward: (v) => {
    const s = spaceLengths(v);
    return { inputs: [s.u, ...s.system, s.state, s.state, s.control], outputs: [s.y, s.state, s.state] };
  },
  stateSpaceScanBackward: (v) => {
    const s = spaceLengths(v);
    return { inputs: [s.u, ...s.system, s.state, s.state, s.control, s.y, s.state, s.state], outputs: [s.u, ...s.system, s.state, s.state] };
  },
  legsScanForward: ([B, L, H, N, C]) => ({ inputs: [B! * L! * H!, C! * H! * N!, B! * H! * N!, B!, B! * L!], outputs: [B! * L! * C! * H!, B! * H! * N!] }),
  legsScanBackward: ([B, L, H, N, C]) => {
    const u = B! * L! * H!, c = C! * H! * N!, state = B! * H! * N!;
    return { inputs: [u, c, state, B!, B! * L!, u * C!, state], outputs: [u, c, state] };
  },
  gatedLinearAttentionForward: (v) => {
    const s = attentionLengths(v);
    return { inputs: [...s.given, s.control], outputs: [s.values, ...s.final] };
  },
  gatedLinearAttentionBackward: (v) => {
    const s = attentionLengths(v);
    return { inputs: [...s.given, s.control, s.values, ...s.final], outputs: s.given };
  },
  wkv4Forward: ([B, L, E]) => {
    const sequence = B! * L! * E!, state = B! * E!;
    return { inputs: [sequence, sequence, E!, E!, state, state, state, B! * L!], outputs: [sequence, state, state, state] };
  },
  wkv4Backward: ([B, L, E]) => {
    const sequence = B! * L! * E!, state = B! * E!, given = [sequence, sequence, E!, E!, state, state, state];
    return { inputs: [...given, B! * L!, sequence, state, state, state], outputs: given };
  },
  linearScanForward: (v) => {
    const { sequence, a, state, control } = linearLengths(v);
    return { inputs: [sequence, a, state, control], outputs: [sequence, state] };
  },
  linearScanBackward: (v) => {
    const { sequence, a, state, control } = linearLengths(v);
    return { inputs: [sequence, a, state, control, sequence, state], outputs: [sequence, a, state] };
  },
  linearScanComplexForward: (v) => {
    const { sequence, a, state, control } = linearLengths(v);
    return { inputs: [sequence, sequence, a, a, state, state, control], outputs: [sequence, sequence, state, state] };
  },
  linearScanComplexBackward: (v) => {
    const { sequence, a, state, control } = linearLengths(v);
    return { inputs: [sequence, sequence, a, a, state, state, control, sequence, sequence, state, state], outputs: [sequence, sequence, a, a, state, state] };
  },
  attentionForward: (v) => {
    const a = softmaxLengths(v);
    return { inputs: [a.q, a.k, a.v, a.keys, a.values, a.rows, a.counts, a.table, a.table], outputs: [a.y, a.keys, a.values] };
  },
  attentionBackward: (v) => {
    const a = softmaxLengths(v);
    return { inputs: [a.q, a.k, a.v, a.keys, a.values, a.rows, a.counts, a.table, a.table, a.y, a.keys, a.values], outputs: [a.q, a.k, a.v, a.keys, a.values] };
  },
  mixtureOfExpertsForward: ([R, D, F, X, k, activation, n]) => {
    const M = activation === 0 ? 2 * F! : F!;
    return { inputs: [R! * D!, X! * M * D!, X! * D! * F!, R! * k!, R! * k!, n! * 3], outputs: [R! * D!] };
  },
  mixtureOfExpertsBackward: ([R, D, F, X, k, activation, n]) => {
    const M = activation === 0 ? 2 * F! : F!;
    return { inputs: [R! * D!, X! * M * D!, X! * D! * F!, R! * k!, R! * k!, n! * 3, R! * D!, X! + 1], outputs: [R! * D!, X! * M * D!, X! * D! * F!, R! * k!] };
  },
  sumOfSquares: ([n]) => ({ inputs: [n!], outputs: [1] }),
  adamW: ([n]) => ({ inputs: [n!, n!, n!, n!], outputs: [n!, n!, n!] }),
};

/** Elements of every buffer of a kernel, from the call's integers. */
export const bufferLengths = (kernel: KernelName, integers: readonly number[]): Lengths => LENGTHS[kernel](integers);

/** Throws where a buffer has another length than the call's integers say, or a required one is null: C would read past its end. */
export function checkCall(call: KernelCall): void {
  const name = call.kernel as KernelName;
  if (!(name in LENGTHS)) return; // a ceiling
  const signature = SIGNATURES[name];
  if (call.integers.length !== signature.integers.length || call.integers.some((value) => !Number.isInteger(value) || value < 0 || value >= 2 ** 31)) {
    throw new KernelError(`${name}: integers are [${call.integers.join(', ')}], expected ${signature.integers.join(', ')}, each an integer from 0 to 2^31 - 1. This is a bug of the calling op.`);
  }
  const lengths = LENGTHS[name](call.integers);
  for (const side of ['inputs', 'outputs'] as const) {
    const buffers = call[side], words: readonly string[] = signature[side];
    if (buffers.length !== words.length) throw new KernelError(`${name}: got ${buffers.length} ${side}, expected ${words.length}. This is a bug of the calling op.`);
    words.forEach((word, i) => {
      const buffer = buffers[i];
      if (buffer === null || buffer === undefined) {
        if (!word.includes('?')) throw new KernelError(`${name}: ${word} is missing. This is a bug of the calling op.`);
      } else if (buffer.length !== lengths[side][i]) {
        throw new KernelError(`${name}: ${word} has ${buffer.length} elements, expected ${lengths[side][i]}. This is a bug of the calling op.`);
      }
    });
  }
}
