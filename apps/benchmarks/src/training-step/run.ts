/**
 * `mamba360 bench training-step`: milliseconds of one training step of a small Mamba, where they go, and the same with the scan as a plain loop.
 *
 *   npx tsx --conditions=@mamba360/source apps/benchmarks/src/training-step/run.ts [--backend auto] [--threads 2] [--steps 15] [--mixers mamba,lstm] [--quick] [--out file.json]
 *
 * `--backend auto` measures tensorflow and wasm.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { BackendName } from '@mamba360/ssm/backend';
import { acceptanceTable, atLeast, atMost } from '../kernels/acceptance/line.ts';
import type { AcceptanceLine } from '../kernels/acceptance/line.ts';
import { measurePlainScan, measureTrainingStep } from './bench-training-step.ts';
import type { StepResult } from './bench-training-step.ts';

const BARS: Readonly<Partial<Record<BackendName, number>>> = { tensorflow: 250, wasm: 600 };
/** PyTorch on a machine of this kind, from the issue that asked for the bars. */
const ELSEWHERE = 'PyTorch on this kind of machine: Mamba 510 ms at best, LSTM 214, Transformer 133';

const { values } = parseArgs({
  options: { backend: { type: 'string', default: 'auto' }, threads: { type: 'string' }, steps: { type: 'string' }, mixers: { type: 'string', default: 'mamba,lstm' }, quick: { type: 'boolean', default: false }, out: { type: 'string' } },
});
const threads = values.threads ? Number(values.threads) : Math.min(2, availableParallelism()), steps = values.steps ? Number(values.steps) : values.quick ? 1 : 15;
const backends = values.backend === 'auto' ? (['tensorflow', 'wasm'] as const) : [values.backend as BackendName];
const shape = values.quick ? { nLayer: 1, B: 1, L: 16 } : { nLayer: 2, B: 8, L: 512 }, small = values.quick ? { nLayer: 1, B: 1, L: 16 } : { nLayer: 4, B: 4, L: 128 };

const results: StepResult[] = [], lines: AcceptanceLine[] = [];
for (const backend of backends) {
  for (const mixer of values.mixers.split(',')) {
    const result = await measureTrainingStep({ mixer, ...shape }, backend, threads, steps);
    results.push(result);
    console.log(`${mixer} on ${backend}, kernels ${result.kernels}, ${result.threads} threads, ${result.parameters} parameters, B=${shape.B} L=${shape.L}: ${result.milliseconds.toFixed(0)} ms a step (best ${result.bestMilliseconds.toFixed(0)})`);
    for (const row of result.profile) console.log(`  ${row.milliseconds.toFixed(1).padStart(7)} ms  ${(100 * row.share).toFixed(1).padStart(5)}%  ${row.calls.toFixed(0).padStart(5)} calls  ${row.part}`);
    const bar = BARS[backend];
    if (mixer === 'mamba' && bar !== undefined && !values.quick) lines.push(atMost('4', `training step on ${backend}, ms`, bar, result.milliseconds, ELSEWHERE));
  }
}
const plain = await measurePlainScan({ mixer: 'mamba', ...small }, backends[0]!, threads, values.quick ? 1 : 7);
console.log(`4 layers, B=${small.B} L=${small.L} on ${backends[0]}: ${plain.fusedMilliseconds.toFixed(0)} ms, with the scan as a plain loop ${plain.plainMilliseconds.toFixed(0)} ms; losses differ by at most ${plain.lossDifference.toExponential(1)}`);
if (!values.quick) lines.push(atLeast('4', 'the same with its scan as a plain JavaScript loop, times slower', 3, plain.ratio, `4 layers, B=${small.B}, L=${small.L} on ${backends[0]}`));
if (lines.length > 0) for (const line of acceptanceTable(lines)) console.log(line);
if (values.out) writeFileSync(values.out, `${JSON.stringify({ machine: cpus()[0]?.model ?? 'unknown', node: process.versions.node, threads, steps: results, plainScan: plain, lines }, null, 2)}\n`);
