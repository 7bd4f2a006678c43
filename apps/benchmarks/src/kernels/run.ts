/**
 * `mamba360 bench kernels`: the compiled kernels beside their ceilings, then what tfjs adds on each backend.
 *
 *   npx tsx --conditions=@mamba360/source apps/benchmarks/src/kernels/run.ts [--out file.json] [--turns 11] [--no-long]
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { benchKernels } from './bench-kernels.ts';
import { benchOperations } from './bench-operations.ts';

const { values } = parseArgs({
  options: { out: { type: 'string' }, backend: { type: 'string' }, seeds: { type: 'string' }, turns: { type: 'string', default: '11' }, 'no-long': { type: 'boolean', default: false } },
});
const turns = Number(values.turns);
const report = await benchKernels({ turns, long: !values['no-long'], print: (line) => { console.log(line); } });
const operations = await benchOperations(report.shape, turns);
for (const row of operations) {
  console.log(`ops.selectiveScan on ${row.backend.padEnd(10)} (${row.target}): ${row.operationMilliseconds.toFixed(1)} ms, ${row.overKernel.toFixed(2)} times the bare kernel, ${(100 * row.copyShare).toFixed(0)}% of it copies and bookkeeping`);
}
if (values.out) await writeFile(values.out, `${JSON.stringify({ ...report, operations }, null, 2)}\n`);
