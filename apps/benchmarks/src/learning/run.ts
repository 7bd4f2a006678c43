/**
 * Learning runs with a printed table and a JSON report.
 *
 *   npx tsx --conditions=@mamba360/source apps/benchmarks/src/learning/run.ts etth1|selective-copying|drop-in [--out file.json]
 */
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { useBackend } from '@mamba360/ssm/backend';
import { dropIn } from './drop-in.ts';
import { etth1 } from './etth1.ts';
import { selectiveCopying } from './selective-copying.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: 'string' }, backend: { type: 'string', default: 'auto' }, seeds: { type: 'string', default: '1,2,3' }, horizon: { type: 'string', default: '96' }, epochs: { type: 'string', default: '5' }, start: { type: 'string', default: 'zero' }, average: { type: 'string', default: '0.995' }, steps: { type: 'string' }, mixer: { type: 'string' }, models: { type: 'string' }, layers: { type: 'string' },
    threads: { type: 'string' }, 'learning-rate': { type: 'string' }, batch: { type: 'string', default: '64' } },
});
const [task] = positionals;
const report = await useBackend({ name: values.backend as 'auto', threads: values.threads ? Number(values.threads) : undefined });
const seeds = values.seeds.split(',').map(Number);
const data = `${process.env.MAMBA360_SHARED ?? '../shared'}/data`;
const rows: unknown[] = [];
if (task === 'etth1') {
  rows.push(...await etth1({ data, seeds, horizon: Number(values.horizon), epochs: Number(values.epochs), start: values.start as 'zero', averageDecay: Number(values.average), ...(values['learning-rate'] && { learningRate: Number(values['learning-rate']) }), ...(values.models && { models: values.models.split(',') as 'mamba'[] }), onProgress: (line) => { console.log(line); } }));
} else if (task === 'selective-copying') {
  for (const mixer of values.mixer?.split(',') ?? ['mamba', 'lstm', 'identity']) {
    for (const seed of mixer === 'mamba' ? seeds : seeds.slice(0, 1)) {
      const result = await selectiveCopying({ mixer, seed, ...(values.steps && { steps: Number(values.steps) }), ...(values['learning-rate'] && { learningRate: Number(values['learning-rate']) }), batchSize: Number(values.batch), onProgress: (step, loss, accuracy) => { console.log(`${mixer} seed ${seed} step ${step} loss ${loss.toFixed(4)} accuracy ${accuracy.toFixed(4)}`); } });
      console.log(JSON.stringify(result));
      rows.push(result);
    }
  }
} else if (task === 'drop-in') {
  rows.push(...await dropIn({ seed: seeds[0] ?? 1, ...(values.steps && { steps: Number(values.steps) }), ...(values.layers && { families: values.layers.split(',') }), onProgress: (line) => { console.log(line); } }));
} else throw new Error(`Unknown task "${task}", expected etth1, selective-copying or drop-in.`);
if (values.out) {
  await writeFile(values.out, `${JSON.stringify({ task, command: `apps/benchmarks/src/learning/run.ts ${process.argv.slice(2).filter((word, i, all) => word !== '--out' && all[i - 1] !== '--out').join(' ')}`, node: process.version, cpu: cpus()[0]?.model, backend: report.backend, kernels: report.kernels, date: new Date().toISOString().slice(0, 10), rows }, null, 2)}\n`);
}
