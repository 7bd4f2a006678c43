/**
 * `mamba360 bench kernels`: every op in one run beside naive loops, tfjs, an LSTM, attention and the ceilings of the machine.
 *
 *   npx tsx --conditions=@mamba360/source apps/benchmarks/src/kernels/ratios/run.ts [--quick] [--only selectiveScan,...] [--backend auto] [--out file.json] [--page docs/benchmarks]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchKernels } from '../bench-kernels.ts';
import { benchOperations } from '../bench-operations.ts';
import { benchRatios } from './bench-ratios.ts';
import { ratioPage } from './page.ts';
import { ratioLines } from './print-ratios.ts';

const SCAN_TURNS = 7;

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' }, backend: { type: 'string', default: 'auto' }, threads: { type: 'string' }, out: { type: 'string' }, page: { type: 'string' } },
});
const report = await benchRatios({
  quick: values.quick, backend: values.backend as 'auto', print: (line) => { process.stderr.write(`${line}\n`); },
  ...(values.only ? { only: values.only.split(',') } : {}), ...(values.threads ? { threads: Number(values.threads) } : {}),
});
for (const line of ratioLines(report)) console.log(line);
// The whole run has the report of the selective scan on every target too.
const scan = values.quick || values.only ? {} : await scanReport();
if (values.out) writeFileSync(values.out, `${JSON.stringify({ ...scan, ratios: report }, null, 2)}\n`);
if (values.page) {
  mkdirSync(values.page, { recursive: true });
  writeFileSync(join(values.page, 'kernels.html'), ratioPage(report));
  writeFileSync(join(values.page, 'kernels.json'), `${JSON.stringify(report, null, 2)}\n`);
}

async function scanReport(): Promise<object> {
  const scan = await benchKernels({ turns: SCAN_TURNS, print: (line) => { console.log(line); } });
  return { ...scan, operations: await benchOperations(scan.shape, SCAN_TURNS) };
}
