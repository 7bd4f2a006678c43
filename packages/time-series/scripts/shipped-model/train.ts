/**
 * Trains the checkpoint that `@mamba360/time-series` ships, and writes weights, model card and log.
 *
 *   npx tsx --conditions=@mamba360/source packages/time-series/scripts/shipped-model/train.ts [--mixer mamba] [--steps 5000] [--seed 1] [--out folder]
 *
 * Data: Beijing PM2.5 2010-2012, seven eighths of NAB, the first four fifths of small public-domain series, generated series. Nothing else.
 */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { useBackend } from '@mamba360/ssm/backend';
import { namedParameters } from '@mamba360/ssm/layers';
import { fit } from '@mamba360/ssm/training';
import type { BatchSource } from '@mamba360/ssm/training';
import { SHIPPED_CONFIG, zeroShotBatch, ZeroShotNetwork } from '../../src/models/zero-shot/index.ts';
import type { ZeroShotBatch } from '../../src/models/zero-shot/index.ts';
import { evaluate, evaluationSets } from './evaluation.ts';
import { randomSource } from './random-source.ts';
import { randomSample } from './samples.ts';
import { beijingSeries, classicSeries, nabSeries } from './series-pool.ts';
import { syntheticSeries } from './synthetic-series.ts';
import { writeShippedModel } from './write-model.ts';

const { values: options } = parseArgs({
  options: {
    mixer: { type: 'string', default: 'mamba' }, steps: { type: 'string', default: '5000' }, seed: { type: 'string', default: '1' },
    out: { type: 'string' }, backend: { type: 'string', default: 'auto' }, threads: { type: 'string' }, write: { type: 'boolean', default: false },
  },
});
type TrainingBatch = ZeroShotBatch & { readonly future: tf.Tensor2D; readonly observed: tf.Tensor2D };

const folder = `${process.env.MAMBA360_SHARED ?? new URL('../../../../../shared', import.meta.url).pathname}/data`;
const seed = Number(options.seed);
const report = await useBackend({ name: options.backend as 'auto', threads: options.threads ? Number(options.threads) : undefined });
const config = { ...SHIPPED_CONFIG, mixer: options.mixer };
const nab = nabSeries(folder);
const classic = classicSeries(folder);
const generator = randomSource(seed);
const generated = Array.from({ length: 4000 }, () => syntheticSeries(generator, 1400));
const pools = [
  { share: 0.3, series: nab.train }, { share: 0.2, series: beijingSeries(folder, [2010, 2011, 2012]) }, { share: 0.1, series: classic.train }, { share: 0.4, series: generated },
];
const STEPS_PER_EPOCH = 500;
const BATCH = 64;
const epochs = Math.max(1, Math.round(Number(options.steps) / STEPS_PER_EPOCH));

function pool(uniform: number): (typeof pools)[number]['series'] {
  let sum = 0;
  for (const { share, series } of pools) if (uniform < (sum += share)) return series;
  return generated;
}

const source: BatchSource<TrainingBatch> = {
  batchCount: () => STEPS_PER_EPOCH,
  batch({ epoch, index }) {
    const random = randomSource(seed * 1_000_003 + epoch * STEPS_PER_EPOCH + index);
    const samples = Array.from({ length: BATCH }, () => randomSample(pool(random.uniform()), random, config));
    const future = Float32Array.from(samples.flatMap((sample) => [...sample.future]));
    return {
      ...zeroShotBatch(samples.map((sample) => sample.window), config),
      future: tf.tensor2d(future.map((value) => (Number.isFinite(value) ? value : 0)), [BATCH, config.horizon]),
      observed: tf.tensor2d(future.map((value) => (Number.isFinite(value) ? 1 : 0)), [BATCH, config.horizon]),
    };
  },
};

const network = ZeroShotNetwork.create(config, { seed });
const sets = evaluationSets(folder, { nab: nab.held, classic: classic.held }, config);
const parameters = namedParameters(network.parameters).reduce((sum, [, variable]) => sum + variable.size, 0);
const log = [`mixer ${config.mixer}, ${parameters} parameters, ${epochs * STEPS_PER_EPOCH} steps of ${BATCH} windows, seed ${seed}, backend ${report.backend}, kernels ${report.kernels.target} ${report.kernels.instructionSet}`];
const say = (line: string): void => { log.push(line); console.log(line); if (options.out) { mkdirSync(options.out, { recursive: true }); appendFileSync(`${options.out}/progress.txt`, `${line}\n`); } };
console.log(log[0]);
const started = performance.now();
await fit({ parameters: network.parameters, config, loss: (batch: TrainingBatch, { training, random }) => network.loss(batch, { training, random }) }, source, {
  epochs, seed, learningRate: 1.5e-3, schedule: { kind: 'cosine', warmupSteps: 100 }, weightDecay: 0.01, averageDecay: 0.998,
  validation: () => Object.fromEntries(sets.slice(0, 3).map((set) => [set.name, evaluate(network, set).pinball])),
  onProgress: (event) => {
    if (event.type === 'epoch-end') say(`epoch ${event.epoch + 1}/${epochs} loss ${event.loss.toFixed(4)} ${Object.entries(event.validation ?? {}).map(([name, value]) => `${name} ${value.toFixed(4)}`).join('; ')} ${((performance.now() - started) / 1000).toFixed(0)} s`);
  },
});
const seconds = (performance.now() - started) / 1000;
const scores = sets.map((set) => evaluate(network, set));
for (const score of scores) {
  say(`${score.name}: ${score.windows} windows, MAE / seasonal naive ${(score.meanAbsoluteError / score.seasonalNaive).toFixed(3)}, / naive ${(score.meanAbsoluteError / score.naive).toFixed(3)}, wins ${(100 * score.winsAgainstSeasonalNaive).toFixed(0)}%, coverage 80: ${(100 * score.coverage80).toFixed(0)}%, 95: ${(100 * score.coverage95).toFixed(0)}%`);
}
say(`trained in ${seconds.toFixed(0)} s`);
if (options.write) await writeShippedModel(network, sets, { seed, steps: epochs * STEPS_PER_EPOCH, seconds, log });
else if (options.out) writeFileSync(`${options.out}/scores.json`, JSON.stringify(scores, null, 2));
network.dispose();
