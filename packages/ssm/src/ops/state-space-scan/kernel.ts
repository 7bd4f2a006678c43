import type { TensorInfo } from '@tensorflow/tfjs';
import { complexZeros } from '../../math/index.ts';
import { defineKernelPair } from '../common/define-operation.ts';
import type { NamedInputs } from '../common/define-operation.ts';
import { runFloat64, writeTensor } from '../common/float64-call.ts';
import type { Raw, ScanSystem } from '../state-space/system.ts';
import { readRaw } from '../vandermonde/kernel.ts';

/** Inputs: u, stateRe?, stateIm?, and the parameters that `prepare` makes the system of. */
export interface StateSpaceAttributes {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly modes: number;
  readonly channels: number;
  readonly rank: number;
  readonly control: Uint8Array | null;
  prepare(raw: Raw): ScanSystem;
}

const OWN = ['u', 'stateRe', 'stateIm'];
const parameterNames = (inputs: NamedInputs): string[] => Object.keys(inputs).filter((name) => !OWN.includes(name));
const integers = (s: StateSpaceAttributes): number[] => [s.batch, s.length, s.heads, s.modes, s.channels, s.rank];

const buffers = (system: ScanSystem, s: StateSpaceAttributes): (Float64Array | null)[] => {
  const { a, b, c, f, g } = system;
  const low = s.rank > 0 ? [f.re, f.im, g.re, g.im] : [null, null, null, null];
  return [a.re, a.im, b.re, b.im, s.channels > 0 ? c.re : null, s.channels > 0 ? c.im : null, ...low];
};

/** y [B, L, C, H], final state [B, H, N] as re and im. */
export const stateSpace = defineKernelPair<StateSpaceAttributes>({
  name: 'stateSpaceScan',
  forward: (where, inputs, s) => {
    const system = s.prepare(readRaw(where, inputs, parameterNames(inputs))), state = [s.batch, s.heads, s.modes];
    return runFloat64(where, {
      kernel: 'stateSpaceScanForward', inputs: [inputs['u']!, ...buffers(system, s), inputs['stateRe'] ?? null, inputs['stateIm'] ?? null, s.control],
      outputs: [[s.batch, s.length, s.channels, s.heads], state, state], integers: integers(s),
    });
  },
  backward: (where, inputs, slopes, s) => {
    const system = s.prepare(readRaw(where, inputs, parameterNames(inputs))), count = s.heads * s.modes;
    const d = { a: complexZeros(count), b: complexZeros(count), c: complexZeros(s.channels * count), f: complexZeros(s.rank * count), g: complexZeros(s.rank * count) };
    const state = inputs['stateRe']?.shape ?? null;
    const tensors = runFloat64(where, {
      kernel: 'stateSpaceScanBackward',
      inputs: [inputs['u']!, ...buffers(system, s), inputs['stateRe'] ?? null, inputs['stateIm'] ?? null, s.control, slopes[0]!, slopes[1]!, slopes[2]!],
      outputs: [inputs['u']!.shape, ...buffers({ ...system, ...d }, s), state, state], integers: integers(s),
    });
    const own: Record<string, TensorInfo | undefined> = { u: tensors[0], stateRe: tensors[1], stateIm: tensors[2] };
    const parameters = system.pullback(d);
    return Object.entries(inputs).map(([name, tensor]) => own[name] ?? writeTensor(where, parameters[name], tensor!.shape));
  },
  gradientOf: (inputs) => Object.keys(inputs),
});
