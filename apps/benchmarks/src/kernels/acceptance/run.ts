/**
 * `mamba360 bench kernels --acceptance`: each bar on the kernels' speed, what was measured, met or missed.
 *
 *   npx tsx --conditions=@mamba360/source apps/benchmarks/src/kernels/acceptance/run.ts [--quick] [--only selectiveScan,...] [--threads 2] [--out file.json] [--page docs/benchmarks]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchAcceptance } from './bench-acceptance.ts';
import { acceptanceTable } from './line.ts';

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' }, backend: { type: 'string' }, threads: { type: 'string' }, out: { type: 'string' }, page: { type: 'string' } },
});
const report = await benchAcceptance({
  quick: values.quick, print: (line) => { process.stderr.write(`${line}\n`); }, ...(values.only ? { only: values.only.split(',') } : {}), ...(values.threads ? { threads: Number(values.threads) } : {}),
});
console.log(`${report.machine}, Node ${report.node}; kernels ${report.target}, ${report.threads} threads; ${report.seconds.toFixed(0)} s`);
for (const line of acceptanceTable(report.lines)) console.log(line);
console.log(report.missed === 0 ? 'no bar was missed' : `${report.missed} of ${report.lines.length} bars missed`);
const document = `${JSON.stringify(report, null, 2)}\n`;
if (values.out) writeFileSync(values.out, document);
if (values.page) {
  mkdirSync(values.page, { recursive: true });
  writeFileSync(join(values.page, 'acceptance.json'), document);
}
