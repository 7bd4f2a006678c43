import type { Tensor } from '@tensorflow/tfjs';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { checkFloat, checkShape, sequenceSizes, showShape } from '../common/check-shape.ts';
import { isComplex } from '../common/complex-tensor.ts';
import type { ComplexTensor } from '../common/complex-tensor.ts';

export interface ScanTensors {
  readonly u: Tensor;
  readonly delta: Tensor;
  readonly A: Tensor | ComplexTensor;
  readonly B: Tensor | ComplexTensor;
  readonly C: Tensor | ComplexTensor;
  readonly D?: Tensor | undefined;
  readonly z?: Tensor | undefined;
  readonly deltaBias?: Tensor | undefined;
  readonly state?: Tensor | ComplexTensor | undefined;
}

export interface ScanSizes {
  readonly batch: number;
  readonly length: number;
  readonly channels: number;
  readonly stateSize: number;
  readonly groupsB: number;
  readonly groupsC: number;
}

const COEFFICIENTS = 'Pass [E, N] for a constant one, [B, L, N] for one that varies, [B, L, G, N] for groups of channels.';

/** Both parts of a complex tensor, or the one real tensor, each with the name that error texts show. */
const parts = (name: string, value: Tensor | ComplexTensor): [string, Tensor][] =>
  (isComplex(value) ? [[`${name}.re`, value.re], [`${name}.im`, value.im]] : [[name, value]]);

/** Groups of B or C: 0 for a constant one. */
function groupsOf(operation: string, name: string, value: Tensor | ComplexTensor, sizes: Omit<ScanSizes, 'groupsB' | 'groupsC'>): number {
  const { batch, length, channels, stateSize } = sizes;
  let groups = 0;
  for (const [label, tensor] of parts(name, value)) {
    checkFloat(operation, label, tensor);
    const { shape } = tensor;
    if (shape.length === 2) {
      checkShape(operation, label, tensor, [channels, stateSize], '[E, N], constant', COEFFICIENTS);
      groups = 0;
    } else if (shape.length === 3) {
      checkShape(operation, label, tensor, [batch, length, stateSize], '[B, L, N]', COEFFICIENTS);
      groups = 1;
    } else if (shape.length === 4) {
      groups = shape[2]!;
      checkShape(operation, label, tensor, [batch, length, groups, stateSize], '[B, L, G, N]', COEFFICIENTS);
      if (groups < 1 || channels % groups !== 0) {
        throw new ShapeError(`${operation}: ${label} has shape ${showShape(shape)}, so ${groups} groups, expected a number that divides the ${channels} channels (E). ${COEFFICIENTS}`);
      }
    } else {
      throw new ShapeError(`${operation}: ${label} has shape ${showShape(shape)}, expected [E, N], [B, L, N] or [B, L, G, N]. ${COEFFICIENTS}`);
    }
  }
  if (isComplex(value) && value.re.shape.length !== value.im.shape.length) {
    throw new ShapeError(`${operation}: ${name}.im has shape ${showShape(value.im.shape)}, expected ${showShape(value.re.shape)} (as ${name}.re). Give both parts one shape.`);
  }
  return groups;
}

/** Checks every tensor of a scan and returns its sizes. */
export function checkScanInputs(operation: string, tensors: ScanTensors): ScanSizes {
  const [batch, length, channels] = sequenceSizes(operation, 'u', tensors.u, '[B, L, E]');
  checkShape(operation, 'delta', tensors.delta, [batch, length, channels], '[B, L, E], as u');
  const real = isComplex(tensors.A) ? tensors.A.re : tensors.A;
  const stateSize = real.shape[1] ?? 0;
  for (const [label, tensor] of parts('A', tensors.A)) {
    checkShape(operation, label, tensor, [channels, stateSize], '[E, N], E as u', 'Give one row of N decay rates for each channel of u.');
  }
  if (stateSize < 1) throw new ShapeError(`${operation}: A has shape ${showShape(real.shape)}, expected at least one state (N >= 1). Give one row of N decay rates for each channel of u.`);
  if (!isComplex(tensors.A)) {
    for (const name of ['B', 'C', 'state'] as const) {
      const value = tensors[name];
      if (value && isComplex(value)) throw new ConfigError(`${operation}: ${name} is complex but A is real, expected both of one kind. Pass A as { re, im } (im may be zeros).`);
    }
  }
  const sizes = { batch, length, channels, stateSize };
  const groupsB = groupsOf(operation, 'B', tensors.B, sizes);
  const groupsC = groupsOf(operation, 'C', tensors.C, sizes);
  if (tensors.D) checkShape(operation, 'D', tensors.D, [channels], '[E]', 'Give one factor for each channel of u.');
  if (tensors.z) checkShape(operation, 'z', tensors.z, [batch, length, channels], '[B, L, E], as u');
  if (tensors.deltaBias) checkShape(operation, 'deltaBias', tensors.deltaBias, [channels], '[E]', 'Give one bias for each channel of u.');
  if (tensors.state) {
    if (isComplex(tensors.A) && !isComplex(tensors.state)) throw new ConfigError(`${operation}: state is real but A is complex, expected { re, im }. Pass the state that an earlier call returned.`);
    for (const [label, tensor] of parts('state', tensors.state)) {
      checkShape(operation, label, tensor, [batch, channels, stateSize], '[B, E, N]', 'Pass the state that an earlier call with the same batch returned.');
    }
  }
  return { ...sizes, groupsB, groupsC };
}
