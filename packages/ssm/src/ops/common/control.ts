import type { Tensor } from '@tensorflow/tfjs';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { showShape } from './check-shape.ts';

/** Bits of a control byte; the kernels know them by these values (`kernels/signatures.ts`). */
export const MASKED = 1;
export const RESET = 2;

/** Which steps count and where the state starts anew. Shared by every op and layer that walks a sequence. */
export interface SequenceOptions {
  /** Number of counted steps of each sequence, [B], each between 0 and L; the steps after are masked. */
  readonly lengths?: readonly number[] | Int32Array | undefined;
  /** [B, L], true (or not 0) = the step counts. Any pattern; a masked step changes no state and its output is 0. */
  readonly mask?: Tensor | readonly (readonly boolean[])[] | undefined;
  /** [B, L], the segment each step belongs to; the state resets where a counted step's segment differs from the last counted one's. */
  readonly segments?: Tensor | readonly (readonly number[])[] | undefined;
  /** Segment of the last counted step before this call, [B]: lets a packed sequence be cut anywhere. Default: the first counted step continues. */
  readonly previousSegments?: readonly number[] | Int32Array | undefined;
}

const isTensor = (value: object): value is Tensor => 'dataSync' in value;

/** Flat [B * L] numbers of a tensor or nested array, its shape checked. */
function flatten(operation: string, name: string, value: Tensor | readonly (readonly (number | boolean)[])[], batch: number, length: number): ArrayLike<number> {
  const shape = isTensor(value) ? value.shape : [value.length, value.find((row) => row.length !== length)?.length ?? (value.length > 0 ? length : 0)];
  if (shape.length !== 2 || shape[0] !== batch || (batch > 0 && shape[1] !== length)) {
    throw new ShapeError(`${operation}: ${name} has shape ${showShape(shape)}, expected ${showShape([batch, length])} ([B, L]). Give one entry for each step of each sequence.`);
  }
  return isTensor(value) ? value.dataSync() : value.flat().map(Number);
}

function perSequence(operation: string, name: string, value: ArrayLike<number>, batch: number): void {
  if (value.length !== batch) throw new ShapeError(`${operation}: ${name} has ${value.length} entries, expected ${batch} ([B]). Give one entry for each sequence.`);
}

/**
 * Control bytes [B, L] for the kernels from `lengths`, `mask` and `segments` (a step counts where all that were given say so), or null
 * where every step counts and nothing resets. `reverse`: for a recurrence from the last step to the first, "last" then means later in time.
 */
export function controlBytes(operation: string, batch: number, length: number, options: SequenceOptions, reverse = false): Uint8Array | null {
  const { lengths, mask, segments, previousSegments } = options;
  if (previousSegments && !segments) {
    throw new ConfigError(`${operation}: previousSegments was given without segments, expected both or neither. Give segments, or leave previousSegments out.`);
  }
  if (!lengths && !mask && !segments) return null;
  const control = new Uint8Array(batch * length);
  if (lengths) {
    perSequence(operation, 'lengths', lengths, batch);
    for (let b = 0; b < batch; b++) {
      const count = lengths[b]!;
      if (!Number.isInteger(count) || count < 0 || count > length) {
        throw new ConfigError(`${operation}: lengths[${b}] is ${count}, expected an integer between 0 and ${length} (L). Cut or pad the sequences to one length first.`);
      }
      control.fill(MASKED, b * length + count, (b + 1) * length);
    }
  }
  if (mask) {
    const counts = flatten(operation, 'mask', mask, batch, length);
    for (let i = 0; i < control.length; i++) if (!counts[i]) control[i] = MASKED;
  }
  if (segments) {
    if (previousSegments) perSequence(operation, 'previousSegments', previousSegments, batch);
    const ids = flatten(operation, 'segments', segments, batch, length);
    for (let b = 0; b < batch; b++) {
      let last = previousSegments?.[b];
      for (let step = 0; step < length; step++) {
        const i = b * length + (reverse ? length - 1 - step : step);
        if (control[i] === MASKED) continue;
        if (last !== undefined && ids[i] !== last) control[i] = RESET;
        last = ids[i]!;
      }
    }
  }
  return control.some((byte) => byte !== 0) ? control : null;
}
