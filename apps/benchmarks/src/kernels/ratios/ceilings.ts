import type { KernelCall, KernelTarget } from '@mamba360/ssm/kernels';
import { exponentialCall, multiplyAddCall } from '../scan-calls.ts';
import { waves } from '../operations/values.ts';

/** Rates of one target's own loops, in units a second. */
export interface Ceilings {
  readonly bytesPerSecond: number;
  readonly flopsPerSecond: number;
  readonly exponentialsPerSecond: number;
}

/** Floats of each array of a stream: past every cache. */
export const STREAM_FLOATS = 2 ** 23;
const MULTIPLY_ADDS = 1_000_000, VECTORS_A_REPETITION = 12, EXPONENTIALS = 2 ** 25;
const LANES: Readonly<Record<string, number>> = { avx512: 16, avx2: 8 };

export const streamBytes = ([reads, writes]: readonly [number, number]): number => 4 * STREAM_FLOATS * (reads + writes);

/** A stream that reads and writes as many arrays as the op does. */
export function mixedStreamCall([reads, writes]: readonly [number, number]): KernelCall {
  const arrays = (count: number): Float32Array[] => Array.from({ length: count }, (_, i) => new Float32Array(STREAM_FLOATS).fill(i + 1));
  return { kernel: 'ceilingMixedStream', inputs: arrays(reads), outputs: arrays(writes), integers: [STREAM_FLOATS, reads, writes] };
}

/** The loops of exponentials and of multiply-adds, and what they count. */
export function arithmeticLoops(target: KernelTarget): { exponentials: () => void; multiplyAdds: () => void; ofTimes(milliseconds: { exponentials: number; multiplyAdds: number }): Omit<Ceilings, 'bytesPerSecond'> } {
  const exponentialLoop = exponentialCall(EXPONENTIALS), multiplyAddLoop = multiplyAddCall(MULTIPLY_ADDS);
  const flops = 2 * MULTIPLY_ADDS * VECTORS_A_REPETITION * (LANES[target.instructionSet] ?? 4);
  return {
    exponentials: () => { target.run(exponentialLoop); },
    multiplyAdds: () => { target.run(multiplyAddLoop); },
    ofTimes: ({ exponentials, multiplyAdds }) => ({ exponentialsPerSecond: (1000 * EXPONENTIALS) / exponentials, flopsPerSecond: (1000 * flops) / multiplyAdds }),
  };
}

/** The kernels' matrix product, `size` in all three directions. */
export function matmulCall(size: number): KernelCall {
  return { kernel: 'ceilingMatmul', inputs: [waves(size * size), waves(size * size, 3)], outputs: [new Float32Array(size * size)], integers: [size, size, size] };
}
