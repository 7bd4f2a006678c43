import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { kernelTargetOf, useBackend } from '@mamba360/ssm/backend';
import type { BackendName } from '@mamba360/ssm/backend';
import { selectiveScan } from '@mamba360/ssm/ops';
import { measureInTurns } from './measure.ts';
import { scanCalls } from './scan-calls.ts';
import type { ScanShape } from './scan-calls.ts';

export interface OperationResult {
  readonly backend: string;
  readonly target: string;
  readonly kernelMilliseconds: number;
  readonly operationMilliseconds: number;
  /** Time through `ops.selectiveScan` over time of the bare kernel on plain arrays, one thread. */
  readonly overKernel: number;
  /** Share of the op's time that is not the kernel: copies in and out of the backend, checks, bookkeeping. */
  readonly copyShare: number;
}

/** Turns until the heap has its working size: garbage is collected every few calls, and until then every call gets memory that is new. */
const WARM_UP = 16;

/**
 * What tfjs adds to the selective scan with every option: the op on each backend beside the same kernel target on plain arrays, in turns.
 *
 * @remarks The output is handed to a further op (a slice of one number), so that a backend that uploads lazily pays for it here.
 */
export async function benchOperations(shape: ScanShape, turns: number, backends: readonly BackendName[] = ['cpu', 'wasm', 'tensorflow']): Promise<OperationResult[]> {
  const { B, L, E, N } = shape;
  const call = scanCalls(shape, 'full').forward;
  const [u, delta, A, projections, , D, z, bias] = call.inputs as Float32Array[];
  const results: OperationResult[] = [];
  for (const name of backends) {
    await useBackend({ name, threads: 1 });
    const target = kernelTargetOf(name)!;
    const sequence = (values: Float32Array): Tensor => tf.tensor(values.slice(), [B, L, E]);
    const inputs = [sequence(u), sequence(delta), tf.tensor(A.slice(), [E, N]), tf.tensor(projections.slice(), [B, L, N]), tf.tensor(projections.slice(), [B, L, N])] as const;
    const options = { D: tf.tensor(D.slice(), [E]), z: sequence(z), deltaBias: tf.tensor(bias.slice(), [E]), deltaSoftplus: true };
    // A backend that keeps arrays until an op needs them would hide its copies: make it take them now.
    tf.tidy(() => { for (const tensor of [...inputs, options.D, options.z, options.deltaBias]) tf.neg(tensor).dataSync(); });
    const times = measureInTurns({
      kernel: () => { target.run(call); },
      operation: () => { tf.tidy(() => { const { output } = selectiveScan(...inputs, options); tf.slice(output, [0, 0, 0], [1, 1, 1]).dataSync(); }); },
    }, turns, WARM_UP);
    const kernel = times.kernel.medianMilliseconds;
    const operation = times.operation.medianMilliseconds;
    results.push({
      backend: name, target: `${target.name} ${target.instructionSet}`, kernelMilliseconds: kernel, operationMilliseconds: operation,
      overKernel: operation / kernel, copyShare: Math.max(0, 1 - kernel / operation),
    });
    tf.dispose([...inputs, options.D, options.z, options.deltaBias]);
  }
  return results;
}
