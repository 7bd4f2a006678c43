import type { KernelBuffer, KernelCall } from '@mamba360/ssm/kernels';

export interface ScanShape {
  readonly B: number;
  readonly L: number;
  readonly E: number;
  readonly N: number;
}

/** `full`: softplus, delta bias, D and the gate z, as Mamba uses it. `plain`: delta is the step size, and D. */
export type ScanOptions = 'full' | 'plain';

export interface ScanCalls {
  readonly forward: KernelCall;
  readonly backward: KernelCall;
}

/** Selective scan calls with variable B and C, one group, on values as they occur in a trained Mamba: A = -1 ... -N, steps around 0.05. */
export function scanCalls(shape: ScanShape, options: ScanOptions): ScanCalls {
  const { B, L, E, N } = shape, full = options === 'full', sequence = B * L * E;
  const values = (length: number, at: (i: number) => number): Float32Array => {
    const buffer = new Float32Array(length);
    for (let i = 0; i < length; i++) buffer[i] = at(i);
    return buffer;
  };
  // Cheap and without pattern: multiples of the golden ratio, in [-0.9, 0.9).
  const wave = (i: number): number => 1.8 * ((i * 0.6180339887498949) % 1) - 0.9;
  const u = values(sequence, wave), z = full ? values(sequence, (i) => wave(i + 7)) : null, dy = values(sequence, (i) => wave(i + 3));
  const delta = values(sequence, full ? (i) => -3 + wave(i + 1) : (i) => 0.05 + 0.04 * wave(i + 1));
  const A = values(E * N, (i) => -1 - (i % N)), projections = values(B * L * N, (i) => wave(i + 5)), D = values(E, () => 1), bias = full ? values(E, (i) => 0.1 * wave(i)) : null;
  const empty = (length: number): KernelBuffer => new Float32Array(length);
  const integers = [B, L, E, N, 1, 1, full ? 1 : 0, 0], inputs = [u, delta, A, projections, projections, D, z, bias, null, null];
  return {
    forward: { kernel: 'selectiveScanForward', inputs, outputs: [empty(sequence), empty(B * E * N), null], integers },
    backward: {
      kernel: 'selectiveScanBackward',
      inputs: [...inputs, dy, null, null],
      outputs: [empty(sequence), empty(sequence), empty(E * N), empty(B * L * N), empty(B * L * N), empty(E), full ? empty(sequence) : null, full ? empty(E) : null, null],
      integers,
    },
  };
}

const CEILING_VALUES = 2048, CEILING_TASKS = 16;

/** The loop that only evaluates `count` exponentials, in the target's own binary (`kernels/ceilings.c`). */
export function exponentialCall(count: number): KernelCall {
  const values = Float32Array.from({ length: CEILING_VALUES }, (_, i) => (-87 * i) / (CEILING_VALUES - 1));
  return { kernel: 'ceilingExponential', inputs: [values], outputs: [new Float32Array(CEILING_TASKS), null], integers: [CEILING_VALUES, Math.round(count / CEILING_VALUES)] };
}

/** Multiply-adds in registers; `repetitions` times 12 vectors of them. */
export function multiplyAddCall(repetitions: number): KernelCall {
  return { kernel: 'ceilingMultiplyAdd', inputs: [], outputs: [new Float32Array(CEILING_TASKS)], integers: [repetitions], scalars: [0.999, 0.001] };
}

/** c = a + b over `count` floats that fit no cache. */
export function streamCall(count: number): KernelCall {
  return { kernel: 'ceilingStream', inputs: [new Float32Array(count).fill(1), new Float32Array(count).fill(2)], outputs: [new Float32Array(count)], integers: [count] };
}
