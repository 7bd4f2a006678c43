import { linearScan as fusedScan } from '@mamba360/ssm/ops';
import { inputOf, namedCall } from './named-call.ts';
import type { OperationBenchmark } from './operation.ts';
import { scanByDoubling } from './scan-by-doubling.ts';
import { floats, wave, waves } from './values.ts';

/** Real, decays of every step: HGRN, RG-LRU, minimal recurrent networks. */
export const linearScan: OperationBenchmark = {
  name: 'linearScan', folder: 'linear-scan', kernel: 'linearScanForward', kind: 'recurrent',
  settings: 'real, decay varies by step',
  call: ({ B, L, E }) => namedCall('linearScanForward', {
    inputs: { b: waves(B * L * E), a: floats(B * L * E, (i) => 0.9 + 0.1 * wave(i + 3)) }, outputs: { x: B * L * E, finalState: B * E }, integers: { B, L, E, varying: 1, reverse: 0 },
  }),
  naive(call, { B, L, E }) {
    const b = inputOf(call, 'b'), a = inputOf(call, 'a'), x = new Float32Array(B * L * E);
    for (let batch = 0; batch < B; batch++) {
      const first = batch * L * E;
      for (let e = 0; e < E; e++) x[first + e] = b[first + e]!;
      for (let at = first + E; at < first + L * E; at++) x[at] = a[at]! * x[at - E]! + b[at]!;
    }
    return x;
  },
  work: ({ B, L, E }) => ({ reads: 2 * B * L * E, writes: B * L * E, multiplyAdds: B * L * E, exponentials: 0 }),
  mix: [2, 1],
  tensors: {
    inputs: ({ B, L, E }) => [['a', [B, L, E]], ['b', [B, L, E]]],
    fused: (a, b) => fusedScan(a!, b!).output,
    composed: (a, b) => scanByDoubling(a!, b!),
  },
  carry: [['finalState', 'initialState']],
};
